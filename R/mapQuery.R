#' Map new cells onto a reference
#'
#' Places the cells of a new batch, or several, in the latent space of a model
#' that has not seen them. The model learns what is new of the batch and
#' nothing else, so that the cells it was trained on stay exactly where they
#' are.
#'
#' @inheritParams getLatent
#' @param x The query: a \linkS4class{SingleCellExperiment} with raw counts,
#'   a SummarizedExperiment or a matrix. Its \code{colData} has the columns
#'   that the model was trained with, such as the batch. Labels are not read.
#' @param model The reference: a \linkS4class{WaddingtonModel} with an encoder.
#' @param epochs Passes over the query; \code{NULL} is as many as make 2,000
#'   updates, from 8 to 400.
#' @param learning_rate,batch_size,held_out,seed,threads As in
#'   \code{\link{trainVAE}}.
#' @param name String, the name of the reduced dimension.
#' @param verbose \code{TRUE} or \code{FALSE}: report what was matched?
#'   \code{NULL} does so where somebody listens.
#'
#' @return \code{x} as a SingleCellExperiment with the matrix
#'   \code{reducedDim(x, name)}, cells x latent dimensions, in the space of the
#'   reference, and \code{metadata(x)$mapping}, which prints as a report: a
#'   list of \code{model} (the reference with the new levels),
#'   \code{narrow} (the same for the genes of the query; \code{NULL} if it has
#'   all), \code{genes} (a list of the numbers \code{n_model}, \code{n_query}
#'   and \code{n_found}, the names that are \code{missing}, and the
#'   \code{identifiers} of model and query as guessed from their looks),
#'   \code{new} (the levels that were new, by covariate) and \code{history}
#'   (a data frame, see \code{\link{trainingHistory}}).
#'
#'   \code{mappedModel}: a WaddingtonModel that knows the query. Use it for
#'   everything that is asked of the query: \code{\link{denoise}},
#'   \code{\link{predictLabels}}, \code{\link{differentialExpression}}. With
#'   \code{genes = "model"} it is the reference for all its genes, for cells
#'   of the reference, to keep, and to map a second query onto.
#'
#' @details
#' Genes are matched by name. Those that the query lacks are neither read nor
#' scored: an absent gene is not a zero. If fewer than four in five are found
#' there is a warning, if none is, an error that says which kind of identifier
#' each side has, and which column of \code{rowData(x)} would fit.
#'
#' New levels of a covariate start at the mean of the old ones, and only their
#' own weights are trained. The encoder of most recipes does not see the batch;
#' then mapping places cells where \code{\link{getLatent}} would have, and
#' teaches the decoder how the batch differs. Train the reference with
#' \code{encode_covariates = TRUE} if batches differ much.
#'
#' @section Errors: Class \code{missing_genes} if no gene is shared,
#'   \code{unknown_column} if a covariate is missing.
#'
#' @references
#' Lotfollahi M et al. (2022). Mapping single-cell data to reference atlases by
#' transfer learning. \emph{Nature Biotechnology} 40, 121-130.
#' @seealso \code{\link{transferLabels}} to take labels over from the
#'   reference, \code{\link{predictLabels}} for models that predict them.
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells(400, n_batches = 3)
#' reference <- sce[, sce$batch != "batch3"]
#' model <- trainVAE(reference, batch = "batch", epochs = 60)
#'
#' query <- mapQuery(sce[, sce$batch == "batch3"], model, epochs = 10)
#' S4Vectors::metadata(query)$mapping
#' query <- denoise(query, mappedModel(query), batch = "batch1")
#'
#' reference <- runVAE(reference, model = model)
#' query <- transferLabels(query, reference, "cell_type")
#' table(query$label, query$cell_type)
#' @export
setGeneric("mapQuery", signature = "x", function(
        x, model, ..., epochs = NULL, learning_rate = 0.01, batch_size = 128,
        held_out = 0.1, seed = NULL, threads = NULL, assay.type = NULL,
        covariates = NULL, name = "VAE", verbose = NULL) {
    standardGeneric("mapQuery")
})

#' @rdname mapQuery
#' @export
setMethod("mapQuery", "ANY", function(
        x, model, ..., epochs = NULL, learning_rate = 0.01, batch_size = 128,
        held_out = 0.1, seed = NULL, threads = NULL, assay.type = NULL,
        covariates = NULL, name = "VAE", verbose = NULL) {
    call <- sys.call()
    .checkDots(..., .known = names(formals(mapQuery)), .call = call)
    .checkModel(model, call)
    .checkString(name, "name", call)
    options <- list(
        epochs = .checkWhole(epochs, "epochs", call),
        learning_rate = .checkNumber(learning_rate, "learning_rate", call),
        batch_size = .checkWhole(batch_size, "batch_size", call, 2L),
        held_out = .checkHeldOut(held_out, call),
        seed = .checkSeed(seed, call), threads = .checkThreads(threads, call)
    )
    query <- .mapped(x, model, assay.type, covariates, call)
    found <- .callBridge(
        "map_query", query$handle, query$cells, options, call = call
    )
    x <- .withExperiment(x, query$counts)
    latent <- .latentMatrix(found$latent, query$names, "VAE")
    SingleCellExperiment::reducedDim(x, name) <- latent
    mapping <- .asMapping(found, ncol(x))
    S4Vectors::metadata(x)$mapping <- mapping
    if (.isVerbose(verbose)) {
        .inform(stats::setNames(.mappingWords(mapping), c("v", "i", "i")))
    }
    x
})

#' @rdname mapQuery
#' @param genes Which genes the model shall have: those that the
#'   \code{"query"} has, or all of the \code{"model"}.
#' @export
mappedModel <- function(x, genes = c("query", "model")) {
    call <- sys.call()
    genes <- .checkChoice(genes, c("query", "model"), "genes", call)
    mapping <- if (methods::is(x, "SummarizedExperiment")) {
        S4Vectors::metadata(x)$mapping
    }
    if (is.null(mapping)) {
        .abort(c(
            "{.arg x} has not been mapped.",
            i = "{.fn mapQuery} puts the model into {.code metadata(x)}."
        ), class = "not_mapped", call = call)
    }
    if (genes == "model") mapping$model else mapping$narrow %||% mapping$model
}

# The cells of a query in Python. Unlike in .query(), genes may be missing and
# levels new.
.mapped <- function(x, model, assay.type, covariates, call) {
    x <- .asSCE(x)
    counts <- .countsOf(x, .assayOfModel(assay.type, model), NULL, call)
    .checkSharesGenes(x, rownames(counts), model, call)
    handle <- .handle(model, call)
    needs <- .callBridge("needs_of", handle, call = call)
    values <- .moreColumns(x, covariates, call)
    columns <- .readColumns(x, needs, values, call)
    list(
        handle = handle, cells = .toCells(counts, columns, call),
        names = colnames(counts), counts = counts
    )
}

# At least one gene is shared; else, is there a column of names that fits?
.checkSharesGenes <- function(x, genes, model, call) {
    if (any(model@genes %in% genes)) {
        return(invisible())
    }
    kind <- lapply(list(model = model@genes, x = genes), function(names) {
        .callBridge("identifier_kind", as.list(names), call = call)
    })
    .abort(c(
        paste(
            "None of the {length(model@genes)} genes of {.arg model} are in",
            "{.arg x}."
        ),
        x = paste(
            "The model has names of kind {.emph {kind$model}}:",
            "{.val {utils::head(model@genes, 3L)}}."
        ),
        x = paste(
            "{.arg x} has kind {.emph {kind$x}}:",
            "{.val {utils::head(genes, 3L)}}."
        ),
        i = .fittingNames(x, model@genes)
    ), class = "missing_genes", call = call)
}

# What to do about names that do not fit.
.fittingNames <- function(x, genes) {
    if (methods::is(x, "SummarizedExperiment")) {
        columns <- as.list(SummarizedExperiment::rowData(x))
        shared <- vapply(columns, function(v) {
            if (is.list(v)) 0L else sum(genes %in% as.character(v))
        }, 0L)
        if (any(shared > 0L)) {
            best <- names(which.max(shared))
            return(paste0(
                "rowData(x)$", best, " has ", max(shared), " of them: ",
                "rownames(x) <- make.unique(as.character(rowData(x)$", best,
                "))."
            ))
        }
    }
    "Give the rows of {.arg x} the kind of names that the model has."
}

# A SingleCellExperiment of the query, whatever it came as.
.withExperiment <- function(x, counts) {
    if (methods::is(x, "SingleCellExperiment")) {
        return(.asSCE(x))
    }
    if (methods::is(x, "SummarizedExperiment")) {
        return(methods::as(.asSCE(x), "SingleCellExperiment"))
    }
    SingleCellExperiment::SingleCellExperiment(list(counts = counts))
}

.asMapping <- function(found, n_cells) {
    genes <- found$genes
    kinds <- as.character(unlist(genes$kinds))
    structure(
        list(
            model = .asModel(found$model),
            narrow = if (!is.null(found$narrow)) .asModel(found$narrow),
            genes = list(
                n_model = genes$n_model, n_query = genes$n_query,
                n_found = genes$n_found,
                missing = as.character(unlist(genes$missing)),
                identifiers = c(model = kinds[1L], query = kinds[2L])
            ),
            new = lapply(found$new, function(v) as.character(unlist(v))),
            history = .historyFrame(found$history), n_cells = n_cells
        ),
        class = "waddington_mapping"
    )
}

# Three sentences: cells, genes, levels.
.mappingWords <- function(x) {
    genes <- x$genes
    kinds <- unique(genes$identifiers)
    new <- vapply(
        x$new, function(v) paste(v, collapse = ", "), ""
    )
    c(
        paste0(
            "Mapped ", .count(x$n_cells), if (x$n_cells == 1L) " cell" else
                " cells", " onto a ", .title(x$model), " model of ",
            .count(x$model@record$n_cells), " cells."
        ),
        paste0(
            .count(genes$n_found), " of the model's ", .count(genes$n_model),
            " genes are in the query (names: ",
            paste(kinds, collapse = " against "),
            if (identical(kinds, "unknown")) " kind", ")",
            if (length(genes$missing)) paste0(
                "; absent: ", toString(utils::head(genes$missing, 3L)),
                .more(genes$missing, 3L)
            ), "."
        ),
        if (length(new)) {
            paste0("New: ", paste(names(new), new, collapse = "; "), ".")
        } else {
            "No level is new: nothing was trained."
        }
    )
}

#' @export
#' @noRd
print.waddington_mapping <- function(x, ...) {
    cat(strwrap(.mappingWords(x), exdent = 2L), sep = "\n")
    invisible(x)
}
