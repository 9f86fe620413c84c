#' Are batches mixed, and are cell types kept?
#'
#' Scores reduced dimensions by how well batches are mixed and by how well
#' labels are kept: always both, because either alone is easy. No integration
#' and a random embedding are in the same table.
#'
#' @param x A \linkS4class{SingleCellExperiment} with reduced dimensions.
#' @param batch What should be mixed: the name of a column of
#'   \code{colData(x)}, or one value per cell.
#' @param label What should be kept, such as the cell type: likewise.
#' @param dimred Character, the reduced dimensions to score; \code{NULL} is
#'   all.
#' @param assay.type String, the assay of raw counts that the row without
#'   integration is made from.
#' @param seed Whole number for clusterings and the random embedding;
#'   \code{NULL} asks R's generator.
#'
#' @return A data frame that prints rounded, of class
#'   \code{waddington_metrics}, with one row per embedding, then
#'   \code{PCA of log counts} (50 components: no integration) and
#'   \code{random}. All columns are scores from 0 to 1 (\code{ari_} may fall
#'   slightly below 0), 1 is best, NA where the data can't tell.
#'
#'   Labels kept:
#'   \describe{
#'   \item{\code{ari_kmeans}, \code{nmi_kmeans}}{Adjusted Rand index and
#'     normalised mutual information of labels with as many k-means clusters
#'     as there are labels.}
#'   \item{\code{ari_leiden}, \code{nmi_leiden}}{The same of Leiden communities,
#'     at the best of 8 resolutions.}
#'   \item{\code{silhouette}}{Silhouette of labels, from -1..1 to 0..1.}
#'   \item{\code{clisi}}{How pure in labels neighbourhoods are.}
#'   \item{\code{isolated}}{Silhouette of the labels that the fewest batches
#'     have; NA if all batches have all.}
#'   }
#'   Batches mixed:
#'   \describe{
#'   \item{\code{batch_silhouette}}{1 - |silhouette| of batches within labels.}
#'   \item{\code{ilisi}}{How many batches neighbourhoods have.}
#'   \item{\code{connectivity}}{Share of the cells of a label that hang together
#'     in the graph of neighbours.}
#'   \item{\code{kbet}}{Share of neighbourhoods whose batches are those of
#'     their label, by a chi-squared test.}
#'   }
#'   \code{plot} draws the mean of the first group of columns (ARI and NMI of
#'   Leiden, silhouette and cLISI) against that of the second, a ggplot.
#'
#' @details
#' An embedding is worth having if it is above and right of no integration. A
#' random one mixes perfectly and keeps nothing. If batches differ truly in
#' their cells, perfect mixing is wrong.
#'
#' @references
#' Luecken MD et al. (2022). Benchmarking atlas-level data integration in
#' single-cell genomics. \emph{Nature Methods} 19, 41-50.
#'
#' Korsunsky I et al. (2019). Fast, sensitive and accurate integration of
#' single-cell data with Harmony. \emph{Nature Methods} 16, 1289-1296.
#' @examplesIf waddingtonAvailable()
#' sce <- runVAE(mockCells(), batch = "batch", epochs = 20)
#' scores <- integrationMetrics(sce, batch = "batch", label = "cell_type")
#' scores
#' plot(scores)
#' @export
integrationMetrics <- function(x, batch, label, dimred = NULL,
        assay.type = "counts", seed = NULL) {
    call <- sys.call()
    x <- .asSCE(x)
    dimred <- .dimredsOf(x, dimred, call)
    levels <- list(
        batch = .metricLevels(x, batch, "batch", call),
        label = .metricLevels(x, label, "label", call)
    )
    counts <- .countsOf(x, assay.type, NULL, call)
    .checkEnough(x, call)
    embeddings <- lapply(
        stats::setNames(dimred, dimred),
        function(name) .positions(x, name, "x", call)
    )
    found <- .callBridge(
        "integration_metrics", embeddings, as.list(levels$batch),
        as.list(levels$label), .toCells(counts, list(), call),
        .baselineRows()[1L], .checkSeed(seed, call), call = call
    )
    rows <- as.character(unlist(found$rows))
    table <- data.frame(lapply(found$columns, as.numeric), row.names = rows)
    table[is.na(table)] <- NA_real_
    class(table) <- c("waddington_metrics", "data.frame")
    table
}

# The rows that are always there.
.baselineRows <- function() c("PCA of log counts", "random")

.dimredsOf <- function(x, dimred, call) {
    if (!methods::is(x, "SingleCellExperiment")) {
        .abort(c(
            "{.arg x} must be a SingleCellExperiment with reduced dimensions.",
            x = "It is {.obj_type_friendly {x}}."
        ), class = "not_an_experiment", call = call)
    }
    known <- SingleCellExperiment::reducedDimNames(x)
    dimred <- if (is.null(dimred)) known else dimred
    for (name in dimred) {
        .positions(x, name, "x", call)
    }
    if (any(dimred %in% .baselineRows())) {
        taken <- intersect(dimred, .baselineRows())
        .abort(
            "Rename the reduced dimension {.val {taken}}: the name is taken.",
            class = "column_exists", call = call
        )
    }
    dimred
}

# One level per cell, of at least two.
.metricLevels <- function(x, column, arg, call) {
    values <- .wholeColumn(x, column, arg, call)
    found <- as.character(values[[1L]])
    if (length(unique(found)) < 2L) {
        .abort(c(
            "{.arg {arg}} must have two levels or more to score.",
            x = "All cells have {.val {unique(found)}}."
        ), class = "one_level", call = call)
    }
    found
}

.checkEnough <- function(x, call, fewest = 50L) {
    if (ncol(x) < fewest) {
        .abort(c(
            "It takes {fewest} cells to score neighbourhoods.",
            x = "{.arg x} has {ncol(x)}."
        ), class = "too_few_cells", call = call)
    }
}

.conservation <- function() {
    c("ari_leiden", "nmi_leiden", "silhouette", "clisi")
}

.mixing <- function() c("batch_silhouette", "ilisi", "connectivity", "kbet")

#' @export
#' @noRd
print.waddington_metrics <- function(x, digits = 2L, ...) {
    shown <- as.data.frame(unclass(x), row.names = row.names(x))
    kept <- setdiff(names(shown), .mixing())
    part <- function(title, columns) {
        some <- shown[intersect(columns, names(shown))]
        if (!ncol(some)) return(invisible())
        cat(title, "\n", sep = "")
        numbers <- vapply(some, is.numeric, NA)
        some[numbers] <- lapply(some[numbers], round, digits)
        print(some)
    }
    part("Labels kept (1 is best)", kept)
    part("Batches mixed (1 is best)", .mixing())
    invisible(x)
}

#' @rdname integrationMetrics
#' @param y,... Not used.
#' @export
plot.waddington_metrics <- function(x, y, ...) {
    table <- as.data.frame(unclass(x), row.names = row.names(x))
    mean_of <- function(columns) {
        rowMeans(table[intersect(columns, names(table))], na.rm = TRUE)
    }
    points <- data.frame(
        name = row.names(x), kept = mean_of(.conservation()),
        mixed = mean_of(.mixing()),
        kind = ifelse(row.names(x) %in% .baselineRows(), "baseline", "model")
    )
    ggplot2::ggplot(points, ggplot2::aes(.data$mixed, .data$kept)) +
        ggplot2::geom_point(ggplot2::aes(colour = .data$kind), size = 3) +
        ggplot2::geom_text(
            ggplot2::aes(label = paste0(.data$name, "   ")), hjust = 1,
            size = 3.4
        ) +
        ggplot2::scale_colour_manual(
            values = c(baseline = "grey60", model = "#C8102E"), guide = "none"
        ) +
        ggplot2::scale_x_continuous(
            expand = ggplot2::expansion(mult = c(0.35, 0.08))
        ) +
        ggplot2::labs(
            x = "batches mixed (mean score)", y = "labels kept (mean score)",
            title = "Integration: right is mixed, up is kept"
        ) +
        .theme()
}
