#' How good is a predicted response?
#'
#' Compares a prediction with cells that were measured, beside what anybody
#' could have predicted without a model.
#'
#' @param pred What \code{\link{predictPerturbation}} returned.
#' @param observed A SummarizedExperiment with the cells that were predicted,
#'   as they were measured, and better all others too: its \code{colData} has
#'   the columns that were named in the prediction.
#' @param model The model that made the prediction, or the list of them, if no
#'   \code{target} was named, as of a combination. The cells in \code{from} then
#'   told the change as well, so both halves of them (see \code{splits}) had a
#'   part in the prediction; with \code{model} it is made again from each half
#'   alone. \code{NULL} scores it as it is, and says so.
#' @param n_top Whole number: how many of the genes that change most are scored
#'   apart, by a Wilcoxon test of the observed cells against those that the
#'   prediction starts from.
#' @param splits Whole number. Cells in \code{from} make the prediction and
#'   are what changes are measured against; using the same ones for both
#'   flatters. So they are split into halves so many times, and scores are
#'   means over splits.
#' @param assay.type String, the assay of \code{observed}; \code{NULL} is the
#'   one that the model was trained on.
#' @param seed Whole number for the splits.
#'
#' @return A data frame with one row for the model, one for each prediction
#'   that needs no model (\code{control}: nothing changes;
#'   \code{control + mean shift}: every gene changes as in the other cells;
#'   for combinations \code{control + sum of shifts} and
#'   \code{control + mean of shifts}), and \code{half of the observed}: one
#'   half of these cells as a prediction of the other, which is what a perfect
#'   model could reach if they are many. If the model decodes (methods
#'   \code{"shift"} and \code{"condition"}), \code{no shift} is its cells
#'   without any change. Columns, of mean log expression:
#'   \describe{
#'   \item{by}{Whose prediction it is.}
#'   \item{r2_change, r_change}{Of the change against control: the explained
#'     share (1 is perfect, 0 no better than the same change of all genes,
#'     below 0 worse), and the correlation.}
#'   \item{direction}{The share of genes whose change has the right sign; no
#'     change counts half.}
#'   \item{r2_mean, r2_variance}{Squared correlations of means and of variances
#'     over genes. Means are easily predicted, by no change.}
#'   \item{energy}{The energy distance of predicted and observed cells in 50
#'     principal components, 0 if they can't be told apart.}
#'   }
#'   All but \code{energy} also for the top genes, as \code{r2_change_top} and
#'   so on. It prints rounded; \code{print(as.data.frame(scores))} has all
#'   digits.
#'
#' @details
#' The control row has no change to correlate with, so its \code{r_change} is
#' 0; its \code{r2_change} is at or below 0.
#'
#' Scores of a prediction are honest only if the observed cells had no part in
#' it: name their type as \code{target}, and train the model without them.
#'
#' @section Errors: Class \code{not_a_prediction}, \code{not_an_experiment},
#'   \code{missing_genes}, \code{unknown_column};
#'   \code{waddington_InputError} if fewer than 4 cells were observed.
#'
#' @references
#' Szekely GJ, Rizzo ML (2013). Energy statistics. \emph{Journal of Statistical
#' Planning and Inference} 143, 1249-1272.
#' @seealso \code{\link{plotPerturbation}}
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells()
#' held <- sce$cell_type == "type1" & sce$condition == "condition2"
#' model <- trainVAE(sce[, !held], epochs = 20)
#' pred <- predictPerturbation(
#'     sce, model, condition = "condition", from = "condition1",
#'     to = "condition2", cell_type = "cell_type", target = "type1"
#' )
#' scores <- evaluatePerturbation(pred, sce, n_top = 10)
#' scores
#' scores[c("by", "r2_change", "energy")]
#' @export
evaluatePerturbation <- function(pred, observed, model = NULL, n_top = 100,
        splits = 20, assay.type = NULL, seed = 1) {
    call <- sys.call()
    options <- list(n_top = n_top, splits = splits, seed = seed)
    .evaluated(pred, observed, model, options, assay.type, call)$scores
}

# The scores, what was observed of each gene, and the genes that change most.
.evaluated <- function(pred, observed, model, options, assay.type, call) {
    about <- .aboutPrediction(pred, call)
    options <- list(
        .checkWhole(options$n_top, "n_top", call, 2L),
        .checkWhole(options$splits, "splits", call),
        .checkSeed(options$seed, call)
    )
    cells <- .observedCells(pred, observed, about, assay.type, call)
    source <- .toCells(
        SummarizedExperiment::assay(pred, "measured"), list(), call
    )
    groups <- list(
        condition = about$condition, source = about$from, target = about$to,
        cell_type = about$cell_type, of = about$target
    )
    found <- .callBridge(
        "evaluate_perturbation", .keptOf(pred, about), source, cells, groups,
        options[[1L]], options[[2L]], options[[3L]],
        .againOf(pred, observed, model, about, assay.type, call), call = call
    )
    found$observed <- unlist(found$observed)
    found$top <- unlist(found$top)
    found$scores <- .scoreFrame(found, about, ncol(pred))
    found
}

.aboutPrediction <- function(pred, call) {
    about <- if (methods::is(pred, "SingleCellExperiment")) {
        S4Vectors::metadata(pred)$perturbation
    }
    if (is.null(about) || nrow(pred) != nrow(about$profiles)) {
        .abort(c(
            paste(
                "{.arg pred} must be what {.code predictPerturbation()}",
                "returned, with all its genes."
            ),
            x = if (is.null(about)) "It is {.obj_type_friendly {pred}}." else
                "It has {nrow(pred)} of {nrow(about$profiles)} genes."
        ), class = "not_a_prediction", call = call)
    }
    about
}

# All real cells, with the columns that the prediction names.
.observedCells <- function(pred, observed, about, assay.type, call) {
    if (!methods::is(observed, "SummarizedExperiment")) {
        .abort(c(
            "{.arg observed} must be a SummarizedExperiment.",
            x = "It is {.obj_type_friendly {observed}}."
        ), class = "not_an_experiment", call = call)
    }
    observed <- .asSCE(observed)
    assay <- if (is.null(assay.type)) about$assay else assay.type
    counts <- .countsOf(observed, assay, NULL, call)
    absent <- setdiff(rownames(pred), rownames(counts))
    if (length(absent)) {
        .abort(
            "{.arg observed} lacks {length(absent)} gene{?s} of {.arg pred}.",
            class = "missing_genes", call = call
        )
    }
    columns <- lapply(
        rlang::set_names(c(about$condition, about$cell_type)), function(name) {
            values <- .columnOf(observed, name, "observed", call)
            .asLevels(.checkCovariate(values, ncol(observed), name, call))
        }
    )
    .toCells(counts, list(categorical = columns), call)
}

# What the core needs to predict again from some of the cells, or NULL.
.againOf <- function(pred, observed, model, about, assay.type, call) {
    if (!is.null(about$target)) {
        return(NULL)
    }
    if (is.null(model)) {
        .inform(c(i = paste(
            "The cells in {.val {about$from}} also told the change, which",
            "flatters the scores of every prediction; give {.arg model} to",
            "predict again from halves of them."
        )))
        return(NULL)
    }
    models <- .ensemble(model, call)
    groups <- list(
        condition = about$condition, source = about$from, target = about$to,
        cell_type = about$cell_type, of = NULL
    )
    state <- .columnOf(observed, about$condition, "observed", call)
    x <- observed[, .cellsThatTell(state, groups, models[[1L]])]
    rows <- match(colnames(pred), colnames(x))
    if (!length(rows) || anyNA(rows)) {
        .abort(
            "{.arg observed} lacks cells of {.arg pred}, to predict again.",
            class = "missing_cells", call = call
        )
    }
    columns <- lapply(
        rlang::set_names(c(about$condition, about$cell_type)),
        function(name) .asLevels(.columnOf(x, name, "observed", call))
    )
    query <- .query(
        x, models[[1L]], assay.type, columns, call, extra = columns
    )
    list(
        models = unname(lapply(models, .handle, call = call)),
        cells = query$cells, rows = as.list(rows), how = about$how
    )
}

# What the core needs to know of a prediction to score it.
.keptOf <- function(pred, about) {
    kept <- function(name) {
        if (name %in% SummarizedExperiment::assayNames(pred)) {
            unname(as.matrix(SummarizedExperiment::assay(pred, name)))
        }
    }
    list(
        values = kept("predicted"), logs = kept("log_expression"),
        unchanged = kept("unchanged"), shifts = as.list(about$shifts[-1L]),
        counts = about$counts
    )
}

.scoreFrame <- function(found, about, n_predicted) {
    scores <- data.frame(lapply(found$scores, unlist))
    if (about$method == "transfer") {
        scores <- scores[scores$by != "no shift", ]
    }
    scores$by[scores$by == "predicted"] <- about$recipe
    rownames(scores) <- NULL
    structure(
        scores, class = c("perturbationScores", "data.frame"),
        title = paste0(
            .perturbationTitle(about), "; ", .count(n_predicted),
            " cells predicted, ", .count(found$n_observed), " observed"
        ),
        n_top = length(found$top), by = scores$by
    )
}

.perturbationTitle <- function(about) {
    what <- paste(about$from, "to", about$to)
    if (is.null(about$target)) what else paste0(about$target, ": ", what)
}

#' @rdname evaluatePerturbation
#' @param x Scores.
#' @param digits Whole number of digits after the point.
#' @param ... Not used.
#' @export
print.perturbationScores <- function(x, digits = 2, ...) {
    kinds <- c("r2_change", "r_change", "direction", "r2_mean", "r2_variance")
    known <- c("by", kinds, paste0(kinds, "_top"), "energy")
    whole <- all(known %in% names(x)) && identical(x$by, attr(x, "by"))
    if (!whole) {
        print(as.data.frame(x), digits = digits + 1L, row.names = FALSE)
        return(invisible(x))
    }
    top <- paste("top", attr(x, "n_top"))
    lines <- c(
        attr(x, "title"), "",
        .scoreLines(x, paste0("change, ", c("all genes", top)), list(
            c(R2 = "r2_change", r = "r_change", sign = "direction"),
            c(R2 = "r2_change_top", r = "r_change_top", sign = "direction_top")
        ), digits),
        "",
        .scoreLines(x, c("mean, R2", "variance, R2", "distance"), list(
            c(all = "r2_mean", top = "r2_mean_top"),
            c(all = "r2_variance", top = "r2_variance_top"),
            c(energy = "energy")
        ), digits)
    )
    writeLines(lines)
    invisible(x)
}

# A table whose columns stand in groups, each under a heading.
.scoreLines <- function(x, headings, groups, digits) {
    by <- format(c("", "", x$by))
    blocks <- Map(function(heading, columns) {
        cells <- vapply(columns, function(column) {
            formatC(round(x[[column]], digits) + 0, digits, format = "f")
        }, character(nrow(x)))
        cells <- rbind(names(columns), matrix(cells, nrow(x)))
        rows <- apply(cells, 1L, function(row) {
            paste(formatC(row, width = 6L), collapse = " ")
        })
        formatC(c(heading, rows), width = max(nchar(c(heading, rows))))
    }, headings, groups)
    do.call(paste, c(list(by), unname(blocks), sep = "   "))
}

#' @export
as.data.frame.perturbationScores <- function(x, ...) {
    attr(x, "title") <- NULL
    attr(x, "n_top") <- NULL
    attr(x, "by") <- NULL
    class(x) <- "data.frame"
    x
}
