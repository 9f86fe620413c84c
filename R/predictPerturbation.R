#' Predict the response of cells to a perturbation
#'
#' What cells of one condition would look like in another: for a cell type
#' that was never measured there, or for the very cells that were measured
#' elsewhere.
#'
#' @inheritParams getLatent
#' @param condition The column of conditions: a name, or one value per cell.
#'   \code{NULL} is the condition that the model was trained with.
#' @param from,to Levels of \code{condition}: the cells that are there, and
#'   what is predicted for them.
#' @param cell_type The column of cell types: a name, or one value per cell.
#'   With it, the change is the mean over the types seen in both conditions,
#'   so that no type counts for its abundance.
#' @param target Level of \code{cell_type}: predict for these cells only. What
#'   is known of them in \code{to} is not used, so it can be compared with the
#'   prediction (but see Details). \code{NULL} is all cells in \code{from}.
#' @param method \code{"transfer"} carries the measured counts of each cell
#'   over, by fold changes that are a mean of the model's and of those measured
#'   in similar types; \code{"shift"} adds the mean change in latent space and
#'   decodes; \code{"condition"} decodes with the other condition, which a
#'   model trained with \code{condition} can do; \code{"auto"} is
#'   \code{"transfer"} for counts and real numbers.
#' @param trust Number from 0 to 1, the share of the model in
#'   \code{"transfer"}.
#' @param draw Flag: draw counts, in place of expected ones? Expected counts
#'   vary less than cells do. \code{NULL} draws by \code{"transfer"} only.
#' @param seed Whole number for the draws; \code{NULL} asks R's generator.
#'
#' @return A \linkS4class{SingleCellExperiment} with one predicted cell for
#'   each cell it starts from, under the same name: genes of the model x
#'   cells. Its assays are \code{predicted}, in the units of training, and for
#'   models of counts \code{log_expression}, the expected
#'   log(1 + counts per 10,000) of single cells like these. It has the
#'   \code{colData} of those cells, with \code{condition} set to \code{to}, and
#'   a \code{reducedDim} \code{VAE}. \code{metadata(pred)$perturbation} is a
#'   list with \code{method}, \code{condition}, \code{from}, \code{to},
#'   \code{cell_type}, \code{target}, \code{shift} (in latent space),
#'   \code{chance} (p of the change if conditions meant nothing),
#'   \code{types} (for each predicted type its \code{novelty}, above 1 where
#'   it is further from the measured types than they are from each other, and
#'   their \code{weights}), and \code{profiles}: a data frame of the mean log
#'   expression of each gene as \code{predicted}, and as anybody would
#'   predict it without a model: \code{control} (nothing changes) and
#'   \code{control + mean shift} (every
#'   gene changes as in the other cells).
#'
#' @details
#' A prediction is worth something if it is better than
#' \code{control + mean shift}: see \code{\link{plotPerturbation}}. For an
#' honest test of a type that was measured in both conditions, train the model
#' without its cells in \code{to}.
#'
#' @references
#' Lotfollahi M et al. (2019). scGen predicts single-cell perturbation
#' responses. \emph{Nature Methods} 16, 715-721.
#' @seealso \code{\link{plotPerturbation}}, \code{\link{evaluatePerturbation}}
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells()
#' held <- sce$cell_type == "type1" & sce$condition == "condition2"
#' model <- trainVAE(sce[, !held], epochs = 20)
#' pred <- predictPerturbation(
#'     sce, model, condition = "condition", from = "condition1",
#'     to = "condition2", cell_type = "cell_type", target = "type1"
#' )
#' pred
#' plotPerturbation(pred, observed = sce)
#' @export
setGeneric("predictPerturbation", signature = "x", function(
        x, model, condition = NULL, from, to, cell_type = NULL,
        target = NULL, ...,
        method = c("auto", "transfer", "shift", "condition"), trust = NULL,
        draw = NULL, seed = NULL, assay.type = NULL, covariates = NULL) {
    standardGeneric("predictPerturbation")
})

#' @rdname predictPerturbation
#' @export
setMethod("predictPerturbation", "ANY", function(
        x, model, condition = NULL, from, to, cell_type = NULL,
        target = NULL, ...,
        method = c("auto", "transfer", "shift", "condition"), trust = NULL,
        draw = NULL, seed = NULL, assay.type = NULL, covariates = NULL) {
    call <- sys.call()
    .checkDots(..., .known = names(formals(predictPerturbation)), .call = call)
    .checkModel(model, call)
    method <- .checkChoice(
        method, c("auto", "transfer", "shift", "condition"), "method", call
    )
    if (!is.null(trust)) {
        trust <- .checkShare(trust, "trust", call)
    }
    if (!is.null(draw)) {
        .checkFlag(draw, "draw", call)
    }
    if (is.null(condition)) {
        condition <- .covariateOf(model, "condition", call)
    }
    state <- .oneColumn(x, condition, "condition", call)
    kind <- if (!is.null(cell_type)) {
        .oneColumn(x, cell_type, "cell_type", call)
    }
    .checkGroups(state, kind, from, to, target, call)
    how <- list(method, trust, draw, .checkSeed(seed, call))
    groups <- list(
        condition = names(state), source = as.character(from),
        target = as.character(to), cell_type = names(kind),
        of = if (!is.null(target)) as.character(target)
    )
    made <- .predicted(
        x, model, c(state, kind), groups, how, assay.type, covariates, call
    )
    .predictedCells(made, x, model, state, groups, assay.type, call)
})

.predicted <- function(x, model, columns, groups, how, assay.type,
        covariates, call) {
    missing <- vapply(columns, anyNA, NA)
    if (any(missing)) {
        .checkCovariate(
            columns[missing][[1L]], ncol(x), names(columns)[missing][1L], call
        )
    }
    given <- c(columns, .moreColumns(x, covariates, call))
    query <- .query(
        x, model, assay.type, given, call,
        extra = lapply(columns, .asLevels)
    )
    .callBridge(
        "predict_perturbation", query$handle, query$cells, groups,
        how[[1L]], how[[2L]], how[[3L]], how[[4L]], call = call
    )
}

# The levels that are asked for are there.
.checkGroups <- function(state, kind, from, to, target, call) {
    for (arg in c("from", "to")) {
        level <- get(arg)
        .checkThere(level, state[[1L]], names(state), arg, call)
    }
    if (identical(as.character(from), as.character(to))) {
        .abort(
            c(
                "{.arg from} and {.arg to} must differ.",
                x = "Both are {.val {to}}: nothing would change."
            ),
            class = "same_level", call = call
        )
    }
    if (is.null(target)) {
        return(invisible())
    }
    if (is.null(kind)) {
        .abort(
            c(
                "{.arg target} is given without {.arg cell_type}.",
                i = "Name the column that it is a level of."
            ),
            class = "no_cell_type", call = call
        )
    }
    .checkThere(target, kind[[1L]], names(kind), "target", call)
}

.checkThere <- function(level, values, name, arg, call) {
    known <- unique(as.character(values))
    if (length(level) != 1L || !as.character(level) %in% known) {
        .abort(c(
            "{.arg {arg}} must be one level of {.field {name}}.",
            x = "It is {.val {as.character(level)}}.",
            i = "There {?is/are} {.val {known}}."
        ), class = "unseen_level", call = call)
    }
}

# Predicted cells as an experiment, with what is needed to judge them.
.predictedCells <- function(made, x, model, state, groups, assay.type, call) {
    index <- unlist(made$index)
    cells <- colnames(x)[index]
    assays <- list(
        predicted = made$values, log_expression = made$logs,
        unchanged = made$unchanged
    )
    assays <- lapply(
        assays[!vapply(assays, is.null, NA)], .expressionMatrix, model@genes,
        cells
    )
    measured <- .countsOf(x, .assayOfModel(assay.type, model), NULL, call)
    assays$measured <- .asSparse(measured[model@genes, index, drop = FALSE])
    isSE <- methods::is(x, "SummarizedExperiment")
    columns <- if (isSE) {
        SummarizedExperiment::colData(x)[index, , drop = FALSE]
    } else {
        S4Vectors::make_zero_col_DFrame(length(index))
    }
    levels <- levels(factor(state[[1L]]))
    columns[[names(state)]] <- factor(rep(groups$target, length(index)), levels)
    pred <- SingleCellExperiment::SingleCellExperiment(
        assays = assays, colData = columns,
        reducedDims = list(VAE = .latentMatrix(made$latent, cells, "VAE"))
    )
    S4Vectors::metadata(pred)$perturbation <- list(
        method = made$method, recipe = .title(model),
        condition = groups$condition, from = groups$source,
        to = groups$target, cell_type = groups$cell_type, target = groups$of,
        assay = .assayOfModel(NULL, model), counts = isTRUE(made$counts),
        shift = unlist(made$shift), chance = made$chance,
        trust = made$trust, types = made$types,
        profiles = .geneFrame(model@genes, made$profiles),
        shifts = .geneFrame(model@genes, made$shifts)
    )
    pred
}

# A column for each of some values by gene.
.geneFrame <- function(genes, values) {
    data.frame(gene = genes, lapply(values, unlist), check.names = FALSE)
}
