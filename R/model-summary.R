# summary() of a model: its portrait, and its recipe as indented lines.

#' @rdname WaddingtonModel-class
#' @param ... Not used.
#' @export
summary.WaddingtonModel <- function(object, ...) {
    structure(
        list(
            portrait = .portrait(object), recipe = .tree(object),
            history = object@history, record = object@record
        ),
        class = "summary.WaddingtonModel"
    )
}

#' @export
#' @noRd
print.summary.WaddingtonModel <- function(x, ...) {
    cat(x$portrait, sep = "\n")
    cat("\nRecipe\n")
    cat(.treeLines(x$recipe), sep = "\n")
    if (length(x$record$warnings)) {
        cat("\nWarnings in training\n")
        cat(strwrap(x$record$warnings, indent = 2L, exdent = 4L), sep = "\n")
    }
    if (nrow(x$history)) {
        cat("\nLast epoch\n")
        last <- x$history[nrow(x$history), , drop = FALSE]
        print(last, row.names = FALSE, digits = 4L)
    }
    invisible(x)
}

# A recipe as indented lines, one part or value each.
.treeLines <- function(tree, name = NULL, depth = 1L) {
    indent <- strrep("  ", depth)
    label <- if (is.null(name)) "" else paste0(name, ": ")
    if (!is.list(tree) || !length(tree)) {
        value <- if (length(tree)) format(unlist(tree)) else "none"
        return(paste0(indent, label, value))
    }
    if (is.null(names(tree))) {
        return(.listLines(tree, name, depth))
    }
    part <- tree$part
    fields <- tree[setdiff(names(tree), "part")]
    simple <- vapply(fields, .isSimple, NA)
    short <- vapply(fields[simple], .shortValue, "")
    inline <- toString(paste0(names(fields)[simple], " = ", short))
    head <- paste0(indent, label, part, "(", inline, ")")
    below <- Map(
        .treeLines, fields[!simple], names(fields)[!simple], depth + 1L
    )
    c(
        strwrap(head, 78L, indent = 2L * depth, exdent = 2L * depth + 4L),
        unlist(below, use.names = FALSE)
    )
}

.listLines <- function(items, name, depth) {
    heading <- paste0(strrep("  ", depth), name, ":")
    c(heading, unlist(lapply(items, .treeLines, depth = depth + 1L)))
}

.isSimple <- function(value) {
    !is.list(value) || all(vapply(value, is.atomic, NA))
}

.shortValue <- function(value) {
    if (!length(value)) {
        return("none")
    }
    part <- if (is.list(value)) value$part
    if (length(part)) value <- value[setdiff(names(value), "part")]
    text <- vapply(value, function(v) {
        if (length(v)) format(v, digits = 6L) else "none"
    }, "")
    if (length(text) == 1L && is.null(part)) {
        return(text)
    }
    paste0(part, "(", toString(text), ")")
}
