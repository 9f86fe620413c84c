#' Predict the labels of cells
#'
#' Which cell type each cell is, how sure that is, and whether it is like
#' anything that the model has seen: by a model that was trained with labels,
#' such as \code{\link{scanvi}()}, and logistic regression together.
#'
#' @inheritParams getLatent
#' @param labels String, which of the label columns of the model to predict;
#'   \code{NULL} is its only one.
#' @param threshold Number from 0 to below 1: cells whose probability is lower
#'   are called \code{"unknown"}.
#' @param max_novelty Number from 0 to 1: cells whose novelty is higher are
#'   called \code{"unknown"}; 1 calls none so. The default would lose one in
#'   two hundred cells like those that training held out; with few of those it
#'   is a rough guess.
#' @param probabilities Flag: add the probabilities of all labels, as a matrix?
#' @param method \code{"mixture"}, what the classifier of the model and logistic
#'   regression say together, or one of them alone.
#' @param seed Whole number for the draws of latent positions; \code{NULL} asks
#'   R's generator.
#' @param name String, the name of the first new column, and what the others
#'   begin with.
#' @param verbose \code{TRUE} or \code{FALSE}: say how good the labels of this
#'   model are? \code{NULL} does so where somebody listens.
#'
#' @return For a SummarizedExperiment, \code{x} with these columns in
#'   \code{colData}; for a matrix, a \linkS4class{DataFrame} of them, one row
#'   per cell:
#'   \describe{
#'   \item{\code{label}}{Factor: the most probable label, or \code{"unknown"}.}
#'   \item{\code{label_best}}{Factor: the most probable label of every cell.}
#'   \item{\code{label_probability}}{Its probability, 0 to 1, calibrated: of
#'     cells at 0.8, eight in ten are right, as long as the cells are like
#'     those of the training.}
#'   \item{\code{label_novelty}}{Share of held-out cells of the training that
#'     are nearer to the centre of a label than this cell is to any, 0 to 1.
#'     Near 1 means like nothing that was seen.}
#'   \item{\code{label_unknown}}{Logical: is the probability too low, or the
#'     novelty too high?}
#'   \item{\code{label_probabilities}}{If asked for: a matrix, cells x labels,
#'     whose rows sum to 1.}
#'   }
#'   \code{metadata(x)[[name]]} is a list with \code{labels}, \code{scores} (see
#'   below), \code{threshold}, \code{max_novelty} and \code{method}.
#'   Columns that an earlier call made are replaced.
#'
#'   \code{labelScores}: a data frame with one row for the \code{mixture}, one
#'   for the \code{classifier} of the model and one for
#'   \code{logistic_regression} on 50 principal components of the same cells,
#'   which the mixture should beat. All are scored on the labelled cells that
#'   training held out: \code{n} cells; the share that
#'   is right (\code{accuracy}); \code{macro_f1}, the mean over labels of the
#'   harmonic mean of precision and recall, 0 to 1; \code{ece}, the expected
#'   calibration error, 0 is best: how far probabilities are from the share
#'   that is right; and \code{confidence}, the mean probability. It has no rows
#'   if fewer than 20 labelled cells were held out.
#'
#' @details
#' The classifier reads the latent space, where batches are mixed; logistic
#' regression reads principal components of log expression. They err
#' differently, so that their geometric mean, the mixture, is better than
#' either. The model carries both. Each is calibrated by a temperature:
#' that of the classifier, averaged over ten draws of each cell's latent
#' position, makes held-out cells of the training most likely; that of the
#' regression is from cells of batches that it was not fitted to, since one
#' from its own batches would make it too sure of a new one. If one of them
#' alone describes held-out cells better than both, the mixture is that one.
#'
#' Probabilities say nothing of a type that the model never saw: such a cell
#' gets a label too, often a sure one. That is what the novelty is for.
#'
#' Cells of a batch that the model does not know are placed on it by
#' \code{\link{mapQuery}} first.
#'
#' @section Errors: Class \code{no_labels} if the model was trained without
#'   labels, \code{column_exists} if \code{colData(x)} has a column of the same
#'   name that is not from here.
#'
#' @references
#' Ranjan R, Gneiting T (2010). Combining probability forecasts. \emph{Journal
#' of the Royal Statistical Society B} 72, 71-91.
#'
#' Xu C et al. (2021). Probabilistic harmonization and annotation of
#' single-cell transcriptomics data with deep generative models.
#' \emph{Molecular Systems Biology} 17, e9620.
#'
#' Guo C et al. (2017). On calibration of modern neural networks. \emph{ICML}.
#' @seealso \code{\link{transferLabels}} for labels by neighbours, of any model.
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells(400)
#' known <- sce[, 1:300]
#' model <- trainVAE(known, scanvi("cell_type", batch = "batch"), epochs = 20)
#' labelScores(model)
#' new <- predictLabels(sce[, 301:400], model)
#' table(new$label, new$cell_type)
#' summary(new$label_probability)
#' @export
setGeneric("predictLabels", signature = "x", function(
        x, model, ..., labels = NULL, threshold = 0.5, max_novelty = 0.995,
        probabilities = FALSE,
        method = c("mixture", "classifier", "logistic_regression"),
        seed = NULL, assay.type = NULL, covariates = NULL, name = "label",
        verbose = NULL) {
    standardGeneric("predictLabels")
})

#' @rdname predictLabels
#' @export
setMethod("predictLabels", "ANY", function(
        x, model, ..., labels = NULL, threshold = 0.5, max_novelty = 0.995,
        probabilities = FALSE,
        method = c("mixture", "classifier", "logistic_regression"),
        seed = NULL, assay.type = NULL, covariates = NULL, name = "label",
        verbose = NULL) {
    call <- sys.call()
    .checkDots(..., .known = names(formals(predictLabels)), .call = call)
    .checkModel(model, call)
    .checkString(name, "name", call)
    .checkFlag(probabilities, "probabilities", call)
    options <- list(
        method = .checkChoice(method, .methodsOfLabels, "method", call),
        threshold = .checkShare(threshold, "threshold", call),
        max_novelty = .checkShare(max_novelty, "max_novelty", call),
        seed = .checkSeed(seed, call)
    )
    query <- .query(x, model, assay.type, covariates, call, filed = TRUE)
    labels <- .labelsOf(model, query$handle, labels, call)
    found <- .callBridge(
        "label", query$handle, query$cells, labels, options, call = call
    )
    scores <- labelScores(model, labels)
    if (.isVerbose(verbose)) {
        .sayScores(scores)
    }
    about <- c(
        list(labels = labels, scores = scores),
        options[c("threshold", "max_novelty", "method")]
    )
    columns <- .labelColumns(found, probabilities, query$names)
    .addColumns(x, columns, name, about, query$names, call)
})

#' @rdname predictLabels
#' @export
labelScores <- function(model, labels = NULL) {
    call <- sys.call()
    .checkModel(model, call)
    known <- model@record$labels
    labels <- .oneLabel(names(known), model, labels, call)
    found <- known[[labels]][.methodsOfLabels]
    found <- found[!vapply(found, is.null, NA)]
    columns <- c("n", "accuracy", "macro_f1", "ece", "confidence")
    rows <- lapply(found, function(row) as.data.frame(row[columns]))
    if (!length(rows)) {
        empty <- rlang::rep_named(columns, list(numeric()))
        return(as.data.frame(empty))
    }
    do.call(rbind, rows)
}

.methodsOfLabels <- c("mixture", "classifier", "logistic_regression")

# The label column that is meant, of those that a model predicts.
.labelsOf <- function(model, handle, labels, call) {
    needs <- .callBridge("needs_of", handle, call = call)
    .oneLabel(as.character(unlist(needs$labels)), model, labels, call)
}

.oneLabel <- function(known, model, labels, call) {
    if (!length(known)) {
        recipe <- .title(model)
        .abort(c(
            "{.arg model} was trained without labels.",
            x = "It is of {.code {recipe}()}.",
            i = "Train {.code trainVAE(x, scanvi(labels = \"cell_type\"))}, or",
            i = "use {.fn transferLabels}, which asks no labels of a model."
        ), class = "no_labels", call = call)
    }
    if (is.null(labels) && length(known) == 1L) {
        return(known)
    }
    .checkChoice(labels, known, "labels", call)
}

# The answer of the bridge as columns, named without their prefix.
.labelColumns <- function(found, probabilities, cells) {
    levels <- as.character(unlist(found$levels))
    best <- factor(unlist(found$label), levels)
    unknown <- as.logical(unlist(found$unknown))
    said <- factor(
        ifelse(unknown, "unknown", as.character(best)),
        union(levels, "unknown")
    )
    novelty <- found$novelty
    novelty <- if (is.null(novelty)) NA_real_ else as.numeric(unlist(novelty))
    columns <- list(
        said, best = best,
        probability = as.numeric(unlist(found$probability)),
        novelty = rep_len(novelty, length(best)), unknown = unknown
    )
    if (probabilities) {
        columns$probabilities <- matrix(
            found$probabilities, length(best), dimnames = list(cells, levels)
        )
    }
    columns
}

.sayScores <- function(scores) {
    if (!nrow(scores)) {
        .inform(c("!" = paste(
            "Too few labelled cells were held out in training to tell how good",
            "the labels are."
        )))
        return(invisible())
    }
    told <- function(row) {
        sprintf(
            "macro F1 %.3f, calibration error %.3f", scores[row, "macro_f1"],
            scores[row, "ece"]
        )
    }
    ours <- rownames(scores)[1L]
    n <- scores[ours, "n"]
    plain <- if ("logistic_regression" %in% rownames(scores)) {
        paste0(
            "Logistic regression on principal components alone: ",
            told("logistic_regression"), "."
        )
    }
    worse <- length(plain) &&
        scores[ours, "macro_f1"] < scores["logistic_regression", "macro_f1"]
    .inform(c(
        i = "On {n} labelled cells that training held out: {told(ours)}.",
        i = plain,
        "!" = if (worse) "Here the simpler method is better."
    ))
}

# `x` with new columns in colData; a DataFrame of them if `x` is a matrix.
# The first column is called `name`, the others begin with it. What an earlier
# call has written, metadata(x)[[name]]$columns, may be replaced.
.addColumns <- function(x, columns, name, about, cells, call) {
    after <- names(columns)
    names(columns) <- ifelse(nzchar(after), paste0(name, "_", after), name)
    about <- c(about, list(columns = names(columns)))
    if (!methods::is(x, "SummarizedExperiment")) {
        made <- S4Vectors::make_zero_col_DFrame(length(columns[[1L]]))
        rownames(made) <- cells
        for (column in names(columns)) {
            made[[column]] <- columns[[column]]
        }
        S4Vectors::metadata(made)[[name]] <- about
        return(made)
    }
    .checkFree(x, names(columns), name, call)
    old <- setdiff(.ownColumns(x, name), names(columns))
    for (column in old) {
        SummarizedExperiment::colData(x)[[column]] <- NULL
    }
    for (column in names(columns)) {
        SummarizedExperiment::colData(x)[[column]] <- columns[[column]]
    }
    S4Vectors::metadata(x)[[name]] <- about
    x
}

# The columns that an earlier call has written under that name.
.ownColumns <- function(x, name) {
    about <- S4Vectors::metadata(x)[[name]]
    if (is.list(about)) about$columns
}

# Columns of the user are not overwritten.
.checkFree <- function(x, columns, name, call) {
    there <- colnames(SummarizedExperiment::colData(x))
    taken <- setdiff(intersect(columns, there), .ownColumns(x, name))
    if (length(taken)) {
        .abort(c(
            "{.code colData(x)} has a column {.val {taken}} already.",
            i = "Give another {.arg name}, as {.code name = \"predicted\"}."
        ), class = "column_exists", call = call)
    }
}
