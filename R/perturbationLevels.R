#' Perturbations as the levels of one column
#'
#' Experiments write down who got what in different ways: a factor, a list of
#' the perturbations of each cell, or a design matrix with a column for each.
#' Models read one level per cell, in which perturbations that came together
#' are joined by a plus: \code{"A+B"}.
#'
#' @param design A factor or character vector; a list of character vectors, one
#'   per cell, or of numbers named by perturbations, their doses; or a matrix,
#'   data frame or DataFrame of cells x perturbations, of 0 and 1, TRUE and
#'   FALSE, or doses.
#' @param control String, the level of cells without a perturbation.
#'
#' @return A DataFrame with a row per cell: the factor \code{perturbation},
#'   with the names in alphabetical order within a combination, so that there
#'   is one level for each; and the factor \code{dose}, such as \code{"0.5"} or
#'   \code{"1+0.5"}, one number per perturbation in the same order, \code{"1"}
#'   where there is none. These are what \code{\link{cpa}} reads.
#'
#' @details
#' List columns and design matrices that are columns of \code{colData(x)} are
#' understood as they are wherever a column of conditions is named; this
#' function is for their doses, and for another name of the control.
#'
#' @section Errors: Class \code{missing_value} for NA, \code{bad_design} for
#'   what can't be read: negative doses, columns without names, a name with a
#'   plus in it.
#' @seealso \code{\link{predictPerturbation}}
#' @examples
#' perturbationLevels(list("A", c("B", "A"), character(0)))
#' design <- cbind(A = c(1, 1, 0), B = c(0, 0.5, 0))
#' perturbationLevels(design, control = "DMSO")
#' @export
perturbationLevels <- function(design, control = "control") {
    call <- sys.call()
    .perturbationFrame(design, .checkString(control, "control", call), call)
}

.perturbationFrame <- function(design, control, call) {
    parts <- .perturbationsOf(design, call)
    perturbation <- vapply(parts, function(part) {
        if (length(part)) paste(names(part), collapse = "+") else control
    }, "")
    dose <- vapply(parts, function(part) {
        if (length(part)) paste(.doseText(part), collapse = "+") else "1"
    }, "")
    levels <- unique(c(control, sort(unique(perturbation))))
    S4Vectors::DataFrame(
        perturbation = factor(perturbation, intersect(levels, perturbation)),
        dose = factor(dose)
    )
}

.doseText <- function(doses) {
    vapply(doses, format, "", digits = 6L, trim = TRUE, scientific = FALSE)
}

# Doses by perturbation of each cell, a list of named numbers.
.perturbationsOf <- function(design, call) {
    parts <- if (length(dim(design)) == 2L) {
        .rowsOfDesign(design, call)
    } else if (.isList(design)) {
        lapply(as.list(design), .partsOf)
    } else {
        lapply(strsplit(as.character(design), "+", fixed = TRUE), .partsOf)
    }
    .checkPerturbations(parts, call)
    lapply(parts, function(p) p[order(names(p))])
}

# Nothing unknown, no name that is none, no dose below 0.
.checkPerturbations <- function(parts, call) {
    absent <- which(vapply(parts, function(p) {
        anyNA(p) || anyNA(names(p))
    }, NA))
    if (length(absent)) {
        .abort(c(
            "The perturbations of {length(absent)} cell{?s} are not known.",
            x = "The first of them: {utils::head(absent)}.",
            i = "Leave those cells out."
        ), class = "missing_value", call = call)
    }
    named <- unlist(lapply(parts, names))
    doses <- unlist(parts)
    bad <- !nzchar(named) | grepl("+", named, fixed = TRUE)
    fine <- is.finite(doses) & doses >= 0
    if (any(bad) || !all(fine)) {
        .abort(c(
            "The perturbations can't be read.",
            x = if (any(bad)) {
                "A name is {.val {unique(named[bad])[1L]}}."
            } else {
                "A dose is {.val {doses[!fine][1L]}}."
            },
            i = paste(
                "Names must not be empty or have a {.val +} in them, doses",
                "must be numbers of at least 0."
            )
        ), class = "bad_design", call = call)
    }
}

# One element of a list: names of perturbations, or named doses.
.partsOf <- function(part) {
    if (is.numeric(part) && length(part)) {
        names(part) <- rlang::names2(part)
        return(part[is.na(part) | part != 0])
    }
    part <- unique(trimws(as.character(part)))
    rlang::set_names(rep(1, length(part)), part)
}

.rowsOfDesign <- function(design, call) {
    if (is.null(colnames(design))) {
        .abort(
            "A design matrix must have column names, the perturbations.",
            class = "bad_design", call = call
        )
    }
    values <- tryCatch(
        matrix(as.numeric(as.matrix(design)), nrow(design)),
        warning = function(w) NULL, error = function(e) NULL
    )
    if (is.null(values)) {
        .abort(
            "A design matrix must be of numbers.", class = "bad_design",
            call = call
        )
    }
    colnames(values) <- colnames(design)
    lapply(seq_len(nrow(values)), function(i) .partsOf(values[i, ]))
}

# Lists, and those of S4Vectors and IRanges; not data frames or factors.
.isList <- function(values) {
    is.null(dim(values)) && !is.factor(values) &&
        (is.list(values) || methods::is(values, "List")) &&
        !methods::is(values, "Rle")
}

# One value per cell: list columns and design matrices as levels.
.oneValueEach <- function(values, call) {
    if (.isList(values) || length(dim(values)) == 2L) {
        levels <- .perturbationFrame(values, "control", call)$perturbation
        return(as.character(levels))
    }
    values
}
