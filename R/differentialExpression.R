#' Which genes differ between groups of cells
#'
#' Compares two groups of cells gene by gene through what a model believes of
#' each cell's expression, apart from sampling noise; or two groups of
#' donors, with donors as replicates.
#'
#' @inheritParams getLatent
#' @param group The groups: the name of a column of \code{colData(x)}, or one
#'   value per cell.
#' @param from,to Levels of \code{group}. Fold changes are of \code{to} over
#'   \code{from}; \code{from = NULL} is all cells but those in \code{to}.
#' @param batch A column within whose levels cells are paired, or one value per
#'   cell: only batches with cells of both groups count, each the same, so
#'   that a difference between batches is none between groups. \code{NULL}
#'   pairs any cells.
#' @param donor The column of biological replicates, or one value per cell:
#'   asks for the test between donors. It takes two donors per group.
#' @param mode \code{"change"} asks how likely a log2 fold change of
#'   \code{delta} or more is; \code{"vanilla"}, how likely any is, which ranks
#'   genes by how consistent they are, not by how much they change.
#' @param delta Number, the least change of interest, in log2.
#' @param fdr Number from 0 to 1, the share of false genes that is accepted
#'   among those called.
#' @param n_samples Whole number, draws of cells per group.
#' @param n_pairs Whole number, pairs of draws that are compared.
#' @param pseudo Number, added to the shares before logs are taken so that
#'   genes that are hardly there do not seem to change; \code{NULL} chooses,
#'   see \code{metadata}.
#' @param seed Whole number for all draws; \code{NULL} asks R's generator.
#'
#' @return A \linkS4class{DataFrame} with one row per gene, the most certain
#'   first. \code{mcols()} of it describes each column with its unit;
#'   \code{metadata()} has \code{group}, \code{from}, \code{to}, \code{mode},
#'   \code{delta}, \code{fdr}, \code{seed}, the \code{pseudo} that was used,
#'   \code{n_cells} that could be drawn and the batches (\code{strata}) within
#'   which they were paired.
#'
#'   Without \code{donor}:
#'   \describe{
#'   \item{\code{lfc_mean}, \code{lfc_median}, \code{lfc_sd}}{Of the log2 fold
#'     change between pairs of cells.}
#'   \item{\code{lfc_low}, \code{lfc_high}}{Its 95 \% interval, log2.}
#'   \item{\code{p_up}, \code{p_down}}{Probability that the log2 fold change
#'     between two cells is \code{delta} or more, or \code{-delta} or less.}
#'   \item{\code{p_de}}{The larger of the two.}
#'   \item{\code{mc_error}}{Monte-Carlo standard error of \code{p_de}: how much
#'     it would differ with another seed.}
#'   \item{\code{lfsr}}{Local false sign rate: probability that the sign of
#'     \code{lfc_median} is wrong.}
#'   \item{\code{bayes_factor}}{Log odds of \code{p_de}, in nats.}
#'   \item{\code{share_to}, \code{share_from}}{Mean expected share of the
#'     library, 0 to 1.}
#'   \item{\code{raw_to}, \code{raw_from}}{Mean measured counts per 10,000.}
#'   \item{\code{detected_to}, \code{detected_from}}{Share of cells with a
#'     count, 0 to 1.}
#'   \item{\code{fdr}}{Expected share of false ones among this gene and all
#'     that are more certain.}
#'   \item{\code{is_de}}{Logical: is \code{fdr} at most the level asked for?}
#'   }
#'   With \code{donor}: \code{lfc} (log2, mean over donors), \code{t}, \code{p},
#'   \code{q} (false discovery rate after Benjamini and Hochberg) and
#'   \code{is_de}; and the same of the test that needs no model, of the summed
#'   counts of each donor: \code{bulk_lfc}, \code{bulk_t}, \code{bulk_p},
#'   \code{bulk_q}, \code{bulk_is_de}.
#'
#' @details
#' Expression is decoded for each cell in its own batch: give \code{batch}
#' where the groups have cells of several.
#'
#' Cells are no replicates. Without \code{donor}, a difference between two
#' donors is found as surely as one between two conditions: good for markers
#' of cell types and for looking around, not for claims about conditions. For
#' those give \code{donor}, and look at the columns \code{bulk_} beside. Donors
#' with cells of both groups are paired with themselves.
#'
#' Types that were found by clustering the same data differ by construction;
#' no test here knows that.
#'
#' @section Errors: Class \code{unseen_level} if no cell is in \code{from} or
#'   \code{to}; \code{waddington_InputError} if the model does not decode
#'   counts, or a group has fewer than two donors.
#'
#' @references
#' Lopez R et al. (2018). Deep generative modeling for single-cell
#' transcriptomics. \emph{Nature Methods} 15, 1053-1058.
#'
#' Boyeau P et al. (2019). Deep generative models for detecting differential
#' expression in single cells. \emph{bioRxiv} 794289.
#' @seealso \code{\link{differentialAbundance}}
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells(400)
#' model <- trainVAE(sce, batch = "batch", epochs = 60)
#' markers <- differentialExpression(
#'     sce, model, "cell_type", to = "type1", batch = "batch"
#' )
#' markers[1:5, c("lfc_median", "p_de", "mc_error", "fdr")]
#' S4Vectors::mcols(markers)["p_de", ]
#'
#' # donors as replicates
#' sce$donor <- rep(c("a", "b", "c", "d"), 100)
#' differentialExpression(
#'     sce, model, "condition", "condition1", "condition2", donor = "donor"
#' )
#' @export
setGeneric("differentialExpression", signature = "x", function(
        x, model, group, from = NULL, to, ..., batch = NULL, donor = NULL,
        mode = c("change", "vanilla"), delta = 0.25, fdr = 0.05,
        n_samples = 5000, n_pairs = 10000, pseudo = NULL, seed = NULL,
        assay.type = NULL, covariates = NULL) {
    standardGeneric("differentialExpression")
})

#' @rdname differentialExpression
#' @export
setMethod("differentialExpression", "ANY", function(
        x, model, group, from = NULL, to, ..., batch = NULL, donor = NULL,
        mode = c("change", "vanilla"), delta = 0.25, fdr = 0.05,
        n_samples = 5000, n_pairs = 10000, pseudo = NULL, seed = NULL,
        assay.type = NULL, covariates = NULL) {
    call <- sys.call()
    .checkDots(
        ..., .known = names(formals(differentialExpression)), .call = call
    )
    .checkModel(model, call)
    options <- list(
        mode = .checkChoice(mode, c("change", "vanilla"), "mode", call),
        delta = .checkNotNegative(delta, "delta", call),
        fdr = .checkShare(fdr, "fdr", call),
        n_samples = .checkWhole(n_samples, "n_samples", call, 10L),
        n_pairs = .checkWhole(n_pairs, "n_pairs", call, 10L),
        pseudo = .checkNumber(pseudo, "pseudo", call)
    )
    groups <- .comparedGroups(x, group, from, to, call)
    columns <- c(
        groups$column,
        if (!is.null(batch)) .wholeColumn(x, batch, "batch", call),
        if (!is.null(donor)) .wholeColumn(x, donor, "donor", call)
    )
    if (!is.null(donor)) {
        .checkNoPairing(batch, groups, call)
    }
    query <- .grouped(x, model, columns, assay.type, covariates, call)
    second <- names(columns)[-1L]
    if (!is.null(donor)) {
        return(.betweenDonors(query, model, groups, second, options, call))
    }
    options$seed <- .checkSeed(seed, call)
    .betweenCells(query, model, groups, second, options, call)
})

# Cells as they are; paired within the levels of `batch`, if one is named.
.betweenCells <- function(query, model, groups, batch, options, call) {
    found <- .callBridge(
        "differential_expression", query$handle, query$cells,
        c(groups$ask, list(batch = if (length(batch)) batch)), options,
        call = call
    )
    about <- c(groups$about, options)
    about$pseudo <- found$pseudo
    about$strata <- as.character(unlist(found$strata))
    about$n_cells <- stats::setNames(unlist(found$n_cells), c("to", "from"))
    .geneTable(found$columns, model, about, .cellColumns(), "p_de")
}

# Donors as replicates.
.betweenDonors <- function(query, model, groups, donor, options, call) {
    options <- options[c("fdr", "pseudo")]
    found <- .callBridge(
        "donor_differences", query$handle, query$cells,
        c(groups$ask, donor = donor), options, call = call
    )
    about <- c(groups$about, options["fdr"], list(donor = donor))
    .geneTable(found$columns, model, about, .donorColumns(), "p")
}

.checkNotNegative <- function(value, arg, call) {
    if (identical(as.numeric(value), 0)) 0 else .checkNumber(value, arg, call)
}

# The groups that are compared: `to` is a of the core, `from` is b.
.comparedGroups <- function(x, group, from, to, call) {
    if (missing(group) || missing(to)) {
        .abort(c(
            "{.arg group} and {.arg to} are needed.",
            i = "As in {.code group = \"cell_type\", to = \"B cells\"}."
        ), class = "missing_argument", call = call)
    }
    column <- .wholeColumn(x, group, "group", call)
    name <- names(column)
    .checkThere(to, column[[1L]], name, "to", call)
    if (!is.null(from)) {
        .checkThere(from, column[[1L]], name, "from", call)
        from <- as.character(from)
        if (identical(from, as.character(to))) {
            .abort(
                "{.arg from} and {.arg to} must differ; both are {.val {to}}.",
                class = "same_level", call = call
            )
        }
    }
    to <- as.character(to)
    list(
        column = column, ask = list(by = name, a = to, b = from),
        about = list(group = name, from = from, to = to)
    )
}

# A column that has a value for every cell, as a named list of one. Values that
# are no column must not pass for the covariate of a model of the same name.
.wholeColumn <- function(x, column, arg, call) {
    found <- .oneColumn(x, column, arg, call)
    if (length(found) != 1L) {
        .abort(
            "{.arg {arg}} must be one column, not {length(found)}.",
            class = "wrong_length", call = call
        )
    }
    values <- .checkCovariate(found[[1L]], ncol(x), names(found), call)
    given <- identical(found[[1L]], column)
    name <- if (given) paste("values of", arg) else names(found)
    stats::setNames(list(values), name)
}

# A query that knows some more columns.
.grouped <- function(x, model, columns, assay.type, covariates, call) {
    .query(
        x, model, assay.type, covariates, call,
        extra = lapply(columns, .asLevels)
    )
}

.checkNoPairing <- function(batch, groups, call) {
    if (!is.null(batch)) {
        .abort(c(
            "{.arg batch} and {.arg donor} can't both be given.",
            i = "Donors with cells of both groups are paired with themselves."
        ), class = "two_designs", call = call)
    }
    if (is.null(groups$about$from)) {
        .abort(
            "{.arg from} is needed with {.arg donor}.",
            class = "missing_argument", call = call
        )
    }
}

# The columns of the core as a DataFrame that says what they are, the most
# certain genes first. `by` is what is certain: p_de is high, p is low.
.geneTable <- function(columns, model, about, told, by) {
    core <- sub("_to$", "_a", sub("_from$", "_b", rownames(told)))
    values <- lapply(columns[core], unlist)
    table <- S4Vectors::DataFrame(values, row.names = model@genes)
    colnames(table) <- rownames(told)
    S4Vectors::mcols(table) <- told
    S4Vectors::metadata(table) <- about
    first <- if (by == "p") {
        order(table$p, -abs(table$lfc))
    } else {
        order(-table$p_de, -abs(table$lfc_median))
    }
    table[first, ]
}

.columnTable <- function(...) {
    rows <- rbind(...)
    S4Vectors::DataFrame(
        unit = rows[, 2L], description = rows[, 3L], row.names = rows[, 1L]
    )
}

.cellColumns <- function() {
    .columnTable(
        c("lfc_mean", "log2", "mean log2 fold change between pairs of cells"),
        c("lfc_median", "log2", "median log2 fold change between the pairs"),
        c("lfc_sd", "log2", "standard deviation of that fold change"),
        c("lfc_low", "log2", "2.5 % quantile of the fold change"),
        c("lfc_high", "log2", "97.5 % quantile of the fold change"),
        c("p_up", "probability", "of a log2 fold change of delta or more"),
        c("p_down", "probability", "of one of -delta or less"),
        c("p_de", "probability", "the larger of p_up and p_down"),
        c("mc_error", "probability", "Monte-Carlo standard error of p_de"),
        c("lfsr", "probability", "that the sign of lfc_median is wrong"),
        c("bayes_factor", "nats", "log odds of p_de"),
        c("share_to", "share of the library", "expected in `to`"),
        c("share_from", "share of the library", "expected in `from`"),
        c("raw_to", "counts per 10,000", "measured in `to`"),
        c("raw_from", "counts per 10,000", "measured in `from`"),
        c("detected_to", "share of cells", "of `to` with a count"),
        c("detected_from", "share of cells", "of `from` with a count"),
        c("fdr", "share of genes", "expected false ones up to this gene"),
        c("is_de", "logical", "whether fdr is at most the level asked for")
    )
}

.donorColumns <- function() {
    of <- function(prefix, what) {
        rbind(
            c("lfc", "log2", paste("mean log2 fold change of", what)),
            c("t", "t", "statistic of the test between donors"),
            c("p", "probability", "of such a t if nothing differed"),
            c("q", "share of genes", "false discovery rate of p"),
            c("is_de", "logical", "whether q is at most the level asked for")
        ) |>
            (\(rows) cbind(paste0(prefix, rows[, 1L]), rows[, -1L]))()
    }
    .columnTable(
        of("", "the donors' expected shares"),
        of("bulk_", "the donors' summed counts, without a model")
    )
}
