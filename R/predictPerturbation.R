#' Predict the response of cells to a perturbation
#'
#' What cells of one condition would look like in another: for a cell type
#' that was never measured there, or for the very cells that were measured
#' elsewhere.
#'
#' @inheritParams getLatent
#' @param model A \linkS4class{WaddingtonModel}, or a list of several that were
#'   trained on the same data with other seeds: where they differ, none knows.
#' @param condition The column of conditions: a name, or one value per cell.
#'   A list column or a design matrix is understood too: see
#'   \code{\link{perturbationLevels}}. \code{NULL} is the condition that the
#'   model was trained with.
#' @param from,to Levels of \code{condition}: the cells that are there, and
#'   what is predicted for them. \code{to} may be a combination that was never
#'   tried, as \code{"A+B"}, or, of a model with a graph of perturbations
#'   (\code{\link{cpa}}), one that no cell had.
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
#'   model trained with \code{condition} can do; \code{"inversion"} does either
#'   for a model without an encoder, such as a GAN, from the positions where it
#'   makes what is most like the cells; \code{"auto"} is \code{"transfer"} for
#'   counts and real numbers, \code{"inversion"} without an encoder.
#' @param dose The dose of \code{to}: a number, or one for each perturbation
#'   of a combination, or text such as \code{"1+0.5"}; for models that learnt
#'   doses (\code{\link{cpa}}).
#' @param trust Number from 0 to 1, the share of the model in
#'   \code{"transfer"}. \code{NULL} is 0.5, or less if the model tells the
#'   responses that it has seen less well than they were measured.
#' @param draw Flag: draw counts, in place of expected ones? Expected counts
#'   vary less than cells do. \code{NULL} draws by \code{"transfer"} only.
#' @param n_draws Whole number of draws of each cell's latent position, which
#'   say how much of the prediction hangs on them.
#' @param seed Whole number for the draws; \code{NULL} asks R's generator.
#'
#' @return A \linkS4class{SingleCellExperiment} with one predicted cell for
#'   each cell it starts from, under the same name: genes of the model x
#'   cells. Its assays are \code{predicted}, in the units of training;
#'   \code{log_expression}, the expected log(1 + counts per 10,000) of single
#'   cells like these (or the values, of a model of real numbers);
#'   \code{measured}, what was measured of the cells in \code{from}; and by
#'   \code{"shift"} and \code{"condition"} \code{unchanged}, the same cells
#'   decoded without any change. It has their \code{colData}, with
#'   \code{condition} set to \code{to}, and a \code{reducedDim} \code{VAE}.
#'
#'   \code{metadata(pred)$perturbation} says how it was made, and prints. It
#'   is a list of what was asked; the \code{method}; \code{trust}, the share of
#'   the model; \code{shift} in latent space; \code{chance}, the p of the
#'   change if conditions meant nothing, from 19 shuffles of their labels, so
#'   0.05 at the least; \code{types}, for each predicted type
#'   its \code{novelty} (above 1 where it is further from the measured types
#'   than they are from each other) and their \code{weights}; and data frames
#'   with a row for each gene: \code{profiles}, the mean log expression as
#'   \code{predicted}, and as anybody would predict it without a model:
#'   \code{control} (nothing changes) and \code{control + mean shift} (every
#'   gene changes as in the other cells), for combinations
#'   \code{control + sum of shifts} and \code{control + mean of shifts};
#'   \code{shifts}, what these add; and \code{sd}, standard deviations of the
#'   predicted mean change of the log of a gene's share of the library (of the
#'   values, of a model of real numbers) by what is uncertain:
#'   \code{measured} (the noise of the measured responses, how far away their
#'   types are, and how much of a response is special to its type, judged by
#'   leaving each measured type out), \code{posterior} (with \code{n_draws}),
#'   \code{ensemble} (with several models) and \code{total}.
#'
#' @details
#' A prediction is worth something if it is better than
#' \code{control + mean shift}: see \code{\link{plotPerturbation}}. For an
#' honest test of a type that was measured in both conditions, train the model
#' without its cells in \code{to}.
#'
#' Where shuffled labels give as large a change there is no effect beyond
#' control noise. A warning says so, and \code{"transfer"} predicts that
#' nothing changes, which is better than noise.
#'
#' Of a combination of perturbations that were each tried alone, cells that had
#' it are not used, so they can be compared with the prediction. If it was
#' tried in some cell types, name \code{cell_type} and \code{target} to predict
#' it for another.
#'
#' @section Errors: Class \code{unseen_level} for a level that is not there,
#'   \code{same_level} if nothing would change, \code{missing_value} for NA in
#'   a column, \code{no_cell_type}, \code{unknown_column};
#'   \code{waddington_InputError} if a target has no cells in \code{from}, if
#'   there is nothing to learn the change from, if a dose can't be read, or if
#'   the recipe can't do what is asked.
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
#' S4Vectors::metadata(pred)$perturbation
#' plotPerturbation(pred, observed = sce)
#' @export
setGeneric("predictPerturbation", signature = "x", function(
        x, model, condition = NULL, from, to, cell_type = NULL,
        target = NULL, ..., dose = NULL,
        method = c("auto", "transfer", "shift", "condition", "inversion"),
        trust = NULL, draw = NULL, n_draws = 0, seed = NULL, assay.type = NULL,
        covariates = NULL) {
    standardGeneric("predictPerturbation")
})

#' @rdname predictPerturbation
#' @export
setMethod("predictPerturbation", "ANY", function(
        x, model, condition = NULL, from, to, cell_type = NULL,
        target = NULL, ..., dose = NULL,
        method = c("auto", "transfer", "shift", "condition", "inversion"),
        trust = NULL, draw = NULL, n_draws = 0, seed = NULL, assay.type = NULL,
        covariates = NULL) {
    call <- sys.call()
    .checkDots(..., .known = names(formals(predictPerturbation)), .call = call)
    models <- .ensemble(model, call)
    method <- .checkChoice(
        method, eval(formals(predictPerturbation)$method), "method", call
    )
    how <- list(
        method = method, trust = .shareOrNull(trust, "trust", call),
        draw = .flagOrNull(draw, "draw", call), dose = .oneDose(dose, call),
        n_draws = .checkWhole(n_draws, "n_draws", call, 0L),
        seed = .checkSeed(seed, call)
    )
    if (is.null(condition)) {
        condition <- .conditionOf(models[[1L]], call)
    }
    state <- .oneColumn(x, condition, "condition", call)
    kind <- if (!is.null(cell_type)) {
        .oneColumn(x, cell_type, "cell_type", call)
    }
    .checkGroups(state, kind, from, to, target, models[[1L]], call)
    groups <- list(
        condition = names(state), source = as.character(from),
        target = as.character(to), cell_type = names(kind),
        of = if (!is.null(target)) as.character(target)
    )
    .predicted(
        x, models, c(state, kind), groups, how, assay.type, covariates, call
    )
})

.predicted <- function(x, models, columns, groups, how, assay.type,
        covariates, call) {
    .checkNoneMissing(columns, ncol(x), call)
    given <- c(columns, .moreColumns(x, covariates, call))
    keep <- .cellsThatTell(columns[[1L]], groups, models[[1L]])
    keep <- .ofKnownDoses(keep, x, columns[[1L]], groups, models[[1L]], given)
    x <- x[, keep]
    given <- lapply(given, function(v) v[keep])
    columns <- lapply(columns, function(v) v[keep])
    query <- .query(
        x, models[[1L]], assay.type, given, call,
        extra = lapply(columns, .asLevels)
    )
    handles <- lapply(models, .handle, call = call)
    made <- .callBridge(
        "predict_perturbation", unname(handles), query$cells, groups, how,
        call = call
    )
    pred <- .predictedCells(
        made, x, models, columns[1L], groups, assay.type, call
    )
    S4Vectors::metadata(pred)$perturbation$how <- how
    pred
}

# One model or several, as a list.
.ensemble <- function(model, call) {
    if (missing(model) || !is.list(model)) {
        .checkModel(model, call)
        return(list(model))
    }
    if (!length(model)) {
        .abort(
            "{.arg model} is an empty list.", class = "not_a_model",
            call = call
        )
    }
    for (one in model) {
        .checkModel(one, call)
    }
    model
}

.shareOrNull <- function(value, arg, call) {
    if (is.null(value)) NULL else .checkShare(value, arg, call)
}

.flagOrNull <- function(value, arg, call) {
    if (is.null(value)) NULL else .checkFlag(value, arg, call)
}

# A dose as text, "0.5" or "1+0.5".
.oneDose <- function(dose, call) {
    if (is.null(dose)) {
        return(NULL)
    }
    if (is.numeric(dose) && length(dose) && all(is.finite(dose))) {
        return(paste(.doseText(dose), collapse = "+"))
    }
    .checkString(dose, "dose", call)
}

.checkNoneMissing <- function(columns, n, call) {
    missing <- vapply(columns, anyNA, NA)
    if (any(missing)) {
        .checkCovariate(
            columns[missing][[1L]], n, names(columns)[missing][1L], call
        )
    }
}

# The condition that the model was trained with.
.conditionOf <- function(model, call) {
    .covariateOf(model, "condition", call, paste(
        "Name the column, as in {.code condition = \"treatment\"}; any column",
        "will do, if the model was trained with it or not."
    ))
}

# The levels that are asked for are there.
.checkGroups <- function(state, kind, from, to, target, model, call) {
    .checkThere(from, state[[1L]], names(state), "from", call)
    levels <- c(as.character(state[[1L]]), .inGraph(model))
    .checkThere(to, levels, names(state), "to", call, combined = TRUE)
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

# `level` is one of the values, or a combination of them.
.checkThere <- function(level, values, name, arg, call, combined = FALSE) {
    known <- unique(as.character(values))
    level <- as.character(level)
    absent <- if (length(level) != 1L) {
        level
    } else {
        setdiff(if (combined) .singles(level, known) else level, known)
    }
    if (length(level) != 1L || length(absent)) {
        one <- if (combined) {
            "one level of {.field {name}}, or levels joined by {.val +}."
        } else {
            "one level of {.field {name}}."
        }
        .abort(c(
            paste("{.arg {arg}} must be", one),
            x = if (length(level) == 1L && !identical(absent, level)) {
                "It is {.val {level}}; there is no {.val {absent}}."
            } else {
                "It is {.val {level}}."
            },
            i = "There {?is/are} {.val {known}}."
        ), class = "unseen_level", call = call)
    }
}

# A level that is there, or the perturbations of a combination that is not.
.singles <- function(level, known) {
    if (level %in% known) {
        return(level)
    }
    trimws(strsplit(level, "+", fixed = TRUE)[[1L]])
}

# Which cells have a part in the prediction: those in `from`, and those that
# tell the change. Of a combination whose perturbations are known, cells that
# had it are what is predicted, so they have none; unless one type is left out
# that others had it for.
.cellsThatTell <- function(state, groups, model) {
    state <- as.character(state)
    known <- unique(state)
    parts <- .singles(groups$target, setdiff(known, groups$target))
    learnt <- groups$target %in% model@levels[[groups$condition]] ||
        !groups$condition %in% names(model@levels)
    combined <- length(parts) > 1L && all(parts %in% known) &&
        (is.null(groups$of) || !learnt)
    wanted <- if (combined) parts else .singles(groups$target, known)
    if (!all(wanted %in% known)) {
        wanted <- intersect(known, model@levels[[groups$condition]])
    }
    which(state %in% c(groups$source, wanted))
}

# The perturbations in the graph of a model, if it has one.
.inGraph <- function(model) {
    unique(as.character(unlist(lapply(.tree(model)$decoders, function(one) {
        one$effects$graph
    }))))
}

# Those of them with a dose that the model learnt; others were left out of
# training, to be predicted.
.ofKnownDoses <- function(keep, x, state, groups, model, given) {
    decoders <- .tree(model)$decoders
    name <- unlist(lapply(decoders, function(one) one$effects$dose))
    if (is.null(name)) {
        return(keep)
    }
    doses <- if (is.null(given[[name]])) x[[name]] else given[[name]]
    if (is.null(doses)) {
        return(keep)
    }
    known <- as.character(doses) %in% model@levels[[name]]
    keep[known[keep] | as.character(state)[keep] == groups$source]
}

# Predicted cells as an experiment, with what is needed to judge them.
.predictedCells <- function(made, x, models, state, groups, assay.type,
        call) {
    model <- models[[1L]]
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
    levels <- union(levels(as.factor(state[[1L]])), groups$target)
    columns[[names(state)]] <- factor(rep(groups$target, length(index)), levels)
    pred <- SingleCellExperiment::SingleCellExperiment(
        assays = assays, colData = columns,
        reducedDims = list(VAE = .latentMatrix(made$latent, cells, "VAE"))
    )
    S4Vectors::metadata(pred)$perturbation <-
        .about(made, models, groups, .assayOfModel(assay.type, model))
    pred
}

# What is kept of how a prediction was made.
.about <- function(made, models, groups, assay) {
    genes <- models[[1L]]@genes
    structure(list(
        method = made$method,
        recipe = paste0(
            .title(models[[1L]]),
            if (length(models) > 1L) paste(" x", length(models))
        ),
        condition = groups$condition, from = groups$source,
        to = groups$target, cell_type = groups$cell_type, target = groups$of,
        dose = made$dose, assay = assay, counts = isTRUE(made$counts),
        shift = unlist(made$shift), chance = made$chance, trust = made$trust,
        types = lapply(made$types, function(type) {
            type$weights <- unlist(type$weights)
            type
        }),
        profiles = .geneFrame(genes, made$profiles),
        shifts = .geneFrame(genes, made$shifts),
        sd = if (length(made$sd)) .geneFrame(genes, made$sd)
    ), class = "perturbationAbout")
}

#' @export
print.perturbationAbout <- function(x, ...) {
    model <- paste0(x$recipe, ", by ", x$method)
    if (x$method == "transfer") {
        model <- paste0(model, ", its share ", .round2(x$trust))
    }
    dose <- if (!is.null(x$dose)) paste0(" (dose ", x$dose, ")")
    named <- nzchar(vapply(x$types, function(type) type$type, ""))
    types <- vapply(x$types[named], function(type) {
        weights <- sort(type$weights, TRUE)
        told <- paste(names(weights), .round2(weights))
        paste0(
            type$type, ": novelty ", .round2(type$novelty), "; told by ",
            toString(told)
        )
    }, "")
    writeLines(c(
        paste0(.perturbationTitle(x), dose),
        paste0("model   ", model),
        paste0(
            "change  p = ", .round2(x$chance), " by shuffling conditions",
            if (x$chance <= 0.05) ", the least that 19 shuffles tell"
        ),
        if (any(named)) {
            strwrap(types, 78L, prefix = "        ", initial = "types   ")
        },
        paste(
            "genes  ", .count(nrow(x$profiles)),
            if (is.null(x$sd)) "in $profiles and $shifts" else
                "in $profiles, $shifts and $sd"
        )
    ))
    invisible(x)
}

.round2 <- function(value) {
    formatC(as.numeric(value), 2L, format = "f")
}

# A column for each of some values by gene.
.geneFrame <- function(genes, values) {
    data.frame(gene = genes, lapply(values, unlist), check.names = FALSE)
}
