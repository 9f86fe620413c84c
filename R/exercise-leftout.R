#' Predict a cell type in a batch that lacks it
#'
#' Latent arithmetic for what was not measured: the way from other cell types
#' to the one that is missing, learnt in a batch that has them all, is walked
#' in the batch that lacks it.
#'
#' @md
#' @param x A SingleCellExperiment. Cells of the missing type in the target
#'   batch, if it has some, are used for nothing but the comparison; train the
#'   model without them.
#' @param model A \linkS4class{WaddingtonModel} with a latent space.
#' @param label,batch Names of columns of \code{colData(x)}: cell types and
#'   batches.
#' @param target_label,target_batch What to predict: this type, in this batch.
#' @param ... Not used; a misspelt argument is an error.
#' @param from The batch to learn from; \code{NULL} is the one with the most
#'   cells of the type.
#' @param via The types to start from; \code{NULL} is all with ten cells or
#'   more in both batches. Predictions are averaged over them.
#' @param n_top Whole number: how many of the genes that tell the type from its
#'   nearest other type, in \code{from}, are scored apart.
#' @inheritParams getLatent
#'
#' @return An object of class \code{leftOutPrediction}, a list of
#'   \code{profiles}, a matrix of mean expression, genes x \code{predicted},
#'   \code{observed} (if \code{x} has such cells) and three simple answers
#'   (\code{nearest type}: the nearest other type of the target batch;
#'   \code{other batch}: the type in \code{from}; \code{shift of means}: the
#'   same arithmetic with expression itself); and \code{scores}, a data frame
#'   of the squared correlation with what was observed, over all genes
#'   (\code{r2}) and over the \code{n_top} (\code{r2_top}). It prints and
#'   plots.
#'
#' @details For a count model profiles are \code{log1p} of mean counts, scaled
#'   to the median library.
#' @references Lotfollahi M, Wolf FA, Theis FJ (2019). scGen predicts
#'   single-cell perturbation responses. \emph{Nature Methods} 16, 715-721.
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells()
#' left_out <- sce$cell_type == "type1" & sce$batch == "batch2"
#' model <- trainVAE(sce[, !left_out], epochs = 10)
#' predicted <- predictLeftOut(
#'     sce, model, label = "cell_type", target_label = "type1",
#'     batch = "batch", target_batch = "batch2"
#' )
#' predicted
#' plot(predicted)
#' @export
predictLeftOut <- function(x, model, label, target_label, batch,
        target_batch, ..., from = NULL, via = NULL, n_top = 100,
        assay.type = NULL, covariates = NULL) {
    call <- sys.call()
    .checkDots(..., .known = names(formals(predictLeftOut)), .call = call)
    groups <- list(
        label = .groupsOf(x, label, "label", call),
        batch = .groupsOf(x, batch, "batch", call)
    )
    .checkChoice(target_label, unique(groups$label), "target_label", call)
    .checkChoice(target_batch, unique(groups$batch), "target_batch", call)
    target <- list(label = target_label, batch = target_batch)
    from <- .sourceBatch(groups, target, from, call)
    via <- .startTypes(groups, target, from, via, call)
    query <- .query(x, model, assay.type, covariates, call)
    position <- .arithmetic(
        t(.latentOf(query, call)), groups, target, from, via
    )
    like <- .middleOf(
        .latentOf(query, call),
        which(groups$batch == target$batch & groups$label %in% via)
    )
    decoded <- .decodeAt(query, t(position), like, "median", call)
    seen <- .seenExpression(x, model, assay.type, call)
    profiles <- .profilesOf(
        seen$as_shown(drop(decoded)), seen, groups, target, from, via
    )
    structure(list(
        profiles = profiles, target = target, from = from, via = via,
        scores = .scoreProfiles(
            profiles, .tellingGenes(profiles, n_top)
        )
    ), class = "leftOutPrediction")
}

.sourceBatch <- function(groups, target, from, call) {
    having <- table(groups$batch[
        groups$label == target$label & groups$batch != target$batch
    ])
    if (is.null(from) && length(having)) return(names(which.max(having)))
    if (is.null(from) || !from %in% names(having)) {
        .abort(c(
            "{.arg from} must be another batch that has
             {.val {target$label}}.",
            i = if (length(having)) "There {?is/are} {.val {names(having)}}."
        ), class = "no_cells", call = call)
    }
    from
}

.startTypes <- function(groups, target, from, via, call) {
    most <- function(batch) table(groups$label[groups$batch == batch])
    common <- intersect(
        names(which(most(from) >= 10L)),
        names(which(most(target$batch) >= 10L))
    )
    common <- setdiff(common, target$label)
    wanted <- if (is.null(via)) common else via
    if (!length(wanted) || !all(wanted %in% common)) {
        .abort(c(
            "{.arg via} must name other types with ten cells or more in
             {.val {from}} and in {.val {target$batch}}.",
            i = if (length(common)) "There are {.val {common}}."
        ), class = "no_cells", call = call)
    }
    wanted
}

# Mean over `via` of: there + (target type - type), both in `from`. Of values,
# features x cells, whether latent positions or expression.
.arithmetic <- function(values, groups, target, from, via) {
    mean <- function(label, batch) {
        at <- groups$label == label & groups$batch == batch
        Matrix::rowMeans(values[, at, drop = FALSE])
    }
    goal <- mean(target$label, from)
    predicted <- vapply(via, function(type) {
        mean(type, target$batch) + goal - mean(type, from)
    }, goal)
    matrix(rowMeans(matrix(predicted, ncol = length(via))), ncol = 1L)
}

# Expression as it is compared: that of the assay, or log1p of mean counts.
.seenExpression <- function(x, model, assay.type, call) {
    name <- .assayOfModel(assay.type, model)
    values <- .asSparse(.assayOf(x, name, call), call)
    totals <- Matrix::colSums(values)
    values <- values[model@genes, , drop = FALSE]
    counts <- all(values@x == round(values@x))
    if (counts) {
        size <- stats::median(totals) / pmax(totals, 1)
        values <- values %*% Matrix::Diagonal(x = size)
    }
    list(
        values = values,
        as_shown = if (counts) {
            function(v) log1p(pmax(v, 0))
        } else {
            identity
        }
    )
}

.profilesOf <- function(predicted, seen, groups, target, from, via) {
    mean <- function(label, batch) {
        at <- groups$label == label & groups$batch == batch
        seen$as_shown(Matrix::rowMeans(seen$values[, at, drop = FALSE]))
    }
    away <- vapply(via, function(type) {
        sum((mean(type, from) - mean(target$label, from))^2)
    }, 0)
    nearest <- via[which.min(away)]
    profiles <- cbind(
        predicted = predicted, observed = mean(target$label, target$batch),
        "nearest type" = mean(nearest, target$batch),
        "other batch" = mean(target$label, from),
        "shift of means" = seen$as_shown(drop(
            .arithmetic(seen$values, groups, target, from, via)
        ))
    )
    rownames(profiles) <- rownames(seen$values)
    profiles[, colSums(is.nan(profiles)) == 0L, drop = FALSE] |>
        structure(nearest = mean(nearest, from))
}

# Genes that tell the type from its nearest other type where both were seen.
.tellingGenes <- function(profiles, n_top) {
    gap <- abs(profiles[, "other batch"] - attr(profiles, "nearest"))
    utils::head(order(-gap), n_top)
}

.scoreProfiles <- function(profiles, top) {
    if (!"observed" %in% colnames(profiles)) return(NULL)
    methods <- setdiff(colnames(profiles), "observed")
    r2 <- function(method, genes) {
        stats::cor(profiles[genes, method], profiles[genes, "observed"])^2
    }
    data.frame(
        method = methods,
        r2 = vapply(methods, r2, 0, genes = seq_len(nrow(profiles))),
        r2_top = vapply(methods, r2, 0, genes = top),
        row.names = NULL
    )
}

#' @export
#' @rdname predictLeftOut
print.leftOutPrediction <- function(x, ...) {
    lines <- c(
        paste0(
            x$target$label, " in ", x$target$batch, ", predicted from ",
            x$from, " via ", toString(x$via)
        ),
        if (is.null(x$scores)) {
            "There are no such cells to compare with."
        } else {
            utils::capture.output(print(x$scores, digits = 3))
        }
    )
    writeLines(lines)
    invisible(x)
}

#' @export
#' @rdname predictLeftOut
plot.leftOutPrediction <- function(x, ...) {
    p <- x$profiles
    if (is.null(x$scores)) {
        .abort(
            "There are no observed cells to plot a prediction against.",
            class = "no_cells", call = quote(plot())
        )
    }
    shown <- factor(x$scores$method, x$scores$method)
    data <- data.frame(
        value = c(p[, as.character(shown)]), observed = unname(p[, "observed"]),
        method = rep(shown, each = nrow(p))
    )
    notes <- data.frame(
        method = shown,
        text = sprintf(
            "R2 %.3f\ntelling genes %.3f", x$scores$r2, x$scores$r2_top
        )
    )
    ggplot2::ggplot(data, ggplot2::aes(.data$value, .data$observed)) +
        ggplot2::geom_abline(colour = "grey70") +
        ggplot2::geom_point(size = 0.6, alpha = 0.5) +
        ggplot2::geom_text(
            data = notes, ggplot2::aes(label = .data$text), x = -Inf, y = Inf,
            hjust = -0.05, vjust = 1.2, size = 3
        ) +
        ggplot2::facet_wrap(ggplot2::vars(.data$method), nrow = 1L) +
        ggplot2::labs(
            x = "mean expression", y = "observed mean expression",
            title = paste(x$target$label, "in", x$target$batch)
        ) +
        .theme()
}

# The cell nearest to the mean of its group.
.middleOf <- function(z, cells) {
    some <- z[cells, , drop = FALSE]
    away <- rowSums(sweep(some, 2L, colMeans(some))^2)
    cells[which.min(away)]
}
