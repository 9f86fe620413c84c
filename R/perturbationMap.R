#' Which perturbations are alike, and which leads where
#'
#' Compares what the perturbations of a screen do, as a model sees it, and
#' tells which of them would move some cells to where others are.
#'
#' @param x Cells, in the forms that \code{\link{trainVAE}} takes.
#' @param model A \linkS4class{WaddingtonModel} with an encoder.
#' @param condition The column of perturbations: a name, or one value per cell;
#'   list columns and design matrices too, see
#'   \code{\link{perturbationLevels}}. \code{NULL} is the condition that the
#'   model was trained with.
#' @param control Its level of cells without a perturbation.
#' @param ... Not used; a misspelt argument is an error.
#' @param cell_type The column of cell types. With it, effects are differences
#'   within types, averaged over them, so that a perturbation that kills some
#'   type is not like any other that does.
#' @param from,to Cells that are to be moved, and those to whose place: values
#'   of \code{label}, or logical or numeric indices of cells.
#' @param label The column that \code{from} and \code{to} are values of.
#' @param space \code{"latent"}: an effect is the difference of mean latent
#'   positions. \code{"decoded"}: it is the mean change of log expression when
#'   cells are decoded with each level, for models that were trained with
#'   \code{condition}; their positions do not tell it. \code{"auto"} takes the
#'   one that the model has.
#' @inheritParams getLatent
#'
#' @return An object of class \code{perturbationMap} that prints and plots, a
#'   list of
#'   \describe{
#'   \item{similarity}{A matrix of perturbations x perturbations, cosines of
#'     their effects: 1 do the same, 0 have nothing in common, -1 the contrary.
#'     NA where there is no effect beyond control noise.}
#'   \item{measured}{The same of measured changes of log expression, without
#'     the model.}
#'   \item{perturbations}{A data frame: \code{perturbation}, \code{n_cells},
#'     the \code{size} of its effect, and whether it is \code{clear} of noise.}
#'   \item{targets}{With \code{from} and \code{to} a data frame, the best
#'     perturbation first: \code{cosine}, whether it points there; NA if it has
#'     no effect beyond noise; \code{covered}, the share of the squared way from
#'     there to there that it covers (1 arrives, 0 is no better than nothing,
#'     below 0 leads away, as does too much of the right thing); and both
#'     without the model, of measured changes, as \code{measured_cosine},
#'     \code{measured_covered}.}
#'   \item{effects}{A matrix of perturbations x dimensions of the space.}
#'   \item{space}{Which it is.}
#'   }
#'
#' @details
#' All effects are measured from the same controls, whose noise makes them look
#' alike. Cosines and sizes are corrected for it, so they scatter around the
#' truth instead of above it.
#'
#' Cells in \code{to} teach no effect: a perturbation is not found just because
#' they had it.
#'
#' On a screen of 25 knock-outs in two replicates, ranked by cosine, the target
#' of cells whose label was hidden was first for 8 of the 11 with a clear effect
#' by measured changes, and for 5 to 7 by models (scvi, cpa, vae, cvae;
#' \code{tests/benchmarks/evaluate_targets.py}). So read both columns; a model
#' earns its place where effects must be told for cells that were not measured.
#'
#' @section Errors: Class \code{unseen_level}, \code{unknown_column},
#'   \code{no_cells}, \code{missing_value}; \code{waddington_InputError} if no
#'   perturbation has cells beside controls, or the model has no such space.
#'
#' @references Ji Y et al. (2021). Machine learning for perturbational
#'   single-cell omics. \emph{Cell Systems} 12, 522-537.
#' @seealso \code{\link{predictPerturbation}}
#' @examplesIf waddingtonAvailable()
#' sce <- mockCells(400, n_conditions = 4)
#' model <- trainVAE(sce, epochs = 20)
#' map <- perturbationMap(
#'     sce, model, condition = "condition", control = "condition1",
#'     cell_type = "cell_type"
#' )
#' map
#' plot(map)
#' @export
perturbationMap <- function(x, model, condition = NULL, control, ...,
        cell_type = NULL, from = NULL, to = NULL, label = NULL,
        space = c("auto", "latent", "decoded"), assay.type = NULL,
        covariates = NULL) {
    call <- sys.call()
    .checkDots(..., .known = names(formals(perturbationMap)), .call = call)
    .checkModel(model, call)
    space <- .checkChoice(space, c("auto", "latent", "decoded"), "space", call)
    if (is.null(condition)) {
        condition <- .conditionOf(model, call)
    }
    columns <- c(
        .oneColumn(x, condition, "condition", call),
        if (!is.null(cell_type)) .oneColumn(x, cell_type, "cell_type", call)
    )
    .checkNoneMissing(columns, ncol(x), call)
    .checkThere(control, columns[[1L]], names(columns)[1L], "control", call)
    ends <- .endsOf(x, from, to, label, call)
    query <- .query(
        x, model, assay.type, c(columns, .moreColumns(x, covariates, call)),
        call, extra = lapply(columns, .asLevels)
    )
    told <- list(
        condition = names(columns)[1L], control = as.character(control),
        cell_type = if (!is.null(cell_type)) names(columns)[2L]
    )
    found <- .callBridge(
        "perturbation_map", query$handle, query$cells, told,
        unname(lapply(ends, as.list)), space, call = call
    )
    map <- .mapOf(found, about = c(told, list(from = from, to = to)))
    genes <- ncol(map$effects) == length(model@genes)
    colnames(map$effects) <- if (found$space == "decoded" && genes) {
        model@genes
    } else {
        paste0("VAE", seq_len(ncol(map$effects)))
    }
    map
}

# Indices of the two groups, or NULL.
.endsOf <- function(x, from, to, label, call) {
    if (is.null(from) && is.null(to)) {
        return(NULL)
    }
    if (is.null(from) || is.null(to)) {
        .abort(
            "{.arg from} and {.arg to} go together.", class = "no_cells",
            call = call
        )
    }
    groups <- if (!is.null(label)) .groupsOf(x, label, "label", call)
    list(
        .cellsIn(from, groups, ncol(x), "from", call),
        .cellsIn(to, groups, ncol(x), "to", call)
    )
}

.mapOf <- function(found, about) {
    names <- as.character(unlist(found$perturbations))
    square <- function(values) {
        values <- replace(values, is.nan(values), NA)
        matrix(values, length(names), dimnames = list(names, names))
    }
    number <- function(values) {
        values <- as.numeric(unlist(values))
        replace(values, is.nan(values), NA)
    }
    targets <- if (!is.null(found$targets)) {
        told <- lapply(found$targets, number)
        table <- data.frame(
            perturbation = names, cosine = told[["cosine"]],
            covered = told[["covered"]],
            measured_cosine = told[["cosine, measured"]],
            measured_covered = told[["covered, measured"]]
        )
        table <- table[order(-table$cosine, -table$covered), ]
        rownames(table) <- NULL
        table
    }
    effects <- found$effects
    rownames(effects) <- names
    structure(list(
        similarity = square(found$similarity),
        measured = square(found$measured),
        perturbations = data.frame(
            perturbation = names, n_cells = as.integer(unlist(found$n_cells)),
            size = number(found$size), clear = as.logical(unlist(found$clear))
        ),
        targets = targets, effects = effects, space = found$space,
        about = about
    ), class = "perturbationMap")
}

#' @rdname perturbationMap
#' @param digits Whole number of digits after the point.
#' @export
print.perturbationMap <- function(x, digits = 2, ...) {
    table <- x$perturbations
    table$size <- formatC(table$size, digits, format = "f")
    nearest <- vapply(table$perturbation, function(name) {
        others <- x$similarity[name, colnames(x$similarity) != name]
        best <- which.max(others)
        if (length(best)) {
            paste(names(others)[best], formatC(others[best], digits,
                                               format = "f"))
        } else {
            ""
        }
    }, "")
    table$most_like <- unname(nearest)
    writeLines(paste0(
        "Effects of ", nrow(table), " perturbations against ",
        x$about$control, ", ", x$space
    ))
    print(utils::head(table[order(-x$perturbations$size), ], 20L),
          row.names = FALSE)
    if (!is.null(x$targets)) {
        writeLines(c("", "Which leads from the one cells to the others"))
        print(
            utils::head(x$targets, 10L), digits = digits, row.names = FALSE
        )
    }
    invisible(x)
}

#' @rdname perturbationMap
#' @param what \code{"similarity"}, a heat map of model and measurement side by
#'   side, without the perturbations that have an effect in neither, or
#'   \code{"targets"}, where each perturbation with a clear effect points.
#'   \code{NULL} is \code{"targets"} if there are some.
#' @export
plot.perturbationMap <- function(x, what = NULL, ...) {
    call <- quote(plot())
    if (is.null(what)) {
        what <- if (is.null(x$targets)) "similarity" else "targets"
    }
    what <- .checkChoice(what, c("similarity", "targets"), "what", call)
    if (what == "similarity") {
        return(.plotSimilarity(x, call))
    }
    if (is.null(x$targets)) {
        .abort(
            "There are no targets: give {.arg from} and {.arg to}.",
            class = "no_cells", call = call
        )
    }
    .plotTargets(x)
}

.plotSimilarity <- function(x, call) {
    known <- !is.na(diag(x$similarity)) | !is.na(diag(x$measured))
    if (!any(known)) {
        .abort(
            "No perturbation has an effect beyond control noise.",
            class = "no_effect", call = call
        )
    }
    order <- .alikeTogether(x$similarity[known, known, drop = FALSE])
    gone <- sum(!known)
    shown <- list(x$similarity, x$measured)
    titles <- c(
        paste0("model, ", x$space, " space"), "measured, no model"
    )
    data <- do.call(rbind, Map(function(values, title) {
        data.frame(
            row = factor(rep(order, length(order)), rev(order)),
            column = factor(rep(order, each = length(order)), order),
            cosine = c(values[order, order]), by = title
        )
    }, shown, titles))
    data$by <- factor(data$by, titles)
    ggplot2::ggplot(data, ggplot2::aes(.data$column, .data$row)) +
        ggplot2::geom_tile(ggplot2::aes(fill = .data$cosine)) +
        ggplot2::facet_wrap(ggplot2::vars(.data$by)) +
        ggplot2::scale_fill_gradient2(
            low = "#2166AC", mid = "white", high = "#C8102E",
            limits = c(-1, 1), na.value = "grey85"
        ) +
        ggplot2::coord_equal(expand = FALSE) +
        ggplot2::labs(
            x = NULL, y = NULL, fill = "cosine of effects",
            caption = paste(c(
                if (gone) paste(
                    gone, "of", length(known),
                    "without an effect beyond noise are not shown"
                ),
                if (anyNA(data$cosine)) "grey: no effect beyond noise"
            ), collapse = "; ")
        ) +
        .theme() +
        ggplot2::theme(
            panel.grid = ggplot2::element_blank(),
            axis.text.x = ggplot2::element_text(angle = 90, hjust = 1,
                                                vjust = 0.5)
        )
}

# Names in the order of a clustering; those without an effect last.
.alikeTogether <- function(similarity) {
    names <- rownames(similarity)
    known <- !is.na(diag(similarity))
    if (sum(known) < 3L) {
        return(c(names[known], names[!known]))
    }
    away <- 1 - similarity[known, known]
    tree <- stats::hclust(stats::as.dist(away), "average")
    c(names[known][tree$order], names[!known])
}

.plotTargets <- function(x) {
    best <- utils::head(x$targets[!is.na(x$targets$cosine), ], 30L)
    data <- data.frame(
        perturbation = factor(best$perturbation, rev(best$perturbation)),
        cosine = c(best$cosine, best$measured_cosine),
        by = rep(c("model", "measured, no model"), each = nrow(best))
    )
    data$by <- factor(data$by, c("model", "measured, no model"))
    ggplot2::ggplot(data, ggplot2::aes(.data$cosine, .data$perturbation)) +
        ggplot2::geom_vline(xintercept = 0, colour = "grey70") +
        ggplot2::geom_point(
            ggplot2::aes(colour = .data$by, shape = .data$by), size = 2.2,
            na.rm = TRUE
        ) +
        ggplot2::xlim(-1, 1) +
        ggplot2::scale_colour_manual(values = c("#C8102E", "grey50")) +
        ggplot2::labs(
            x = "cosine of its effect and the way from the one to the other",
            y = NULL,
            colour = NULL, shape = NULL
        ) +
        .theme()
}
