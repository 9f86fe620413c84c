# The only place where R data become Python data.
#
# Counts are genes x cells here. The slots of a dgCMatrix are those of a
# (cells, genes) CSR matrix, so they are handed over as they are: no transpose,
# nothing dense, one copy.

# Anything matrix-like as a dgCMatrix.
.asSparse <- function(x, call = NULL) {
    if (methods::is(x, "dgCMatrix")) {
        return(x)
    }
    if (methods::is(x, "DelayedMatrix")) {
        return(.sparseByBlocks(x))
    }
    x <- tryCatch(
        .toSparse(x),
        error = function(e) {
            .abort(c(
                "{.arg x} must be a matrix of numbers.",
                x = "It is {.obj_type_friendly {x}}."
            ), class = "not_a_matrix", call = call, parent = e)
        }
    )
    x
}

# "C" then "d" then "general" works for matrix, lgC, ngC, dgR, dgT, dsC.
.toSparse <- function(x) {
    if (is.data.frame(x)) {
        x <- as.matrix(x)
    }
    if (is.matrix(x) && !is.numeric(x) && !is.logical(x)) {
        stop("not numeric")
    }
    methods::as(x, "CsparseMatrix") |>
        methods::as("generalMatrix") |>
        methods::as("dMatrix")
}

# A DelayedMatrix a block of cells at a time: never dense as a whole.
.sparseByBlocks <- function(x) {
    grid <- DelayedArray::colAutoGrid(x)
    blocks <- lapply(seq_along(grid), function(i) {
        block <- DelayedArray::read_block(
            x, grid[[i]], as.sparse = DelayedArray::is_sparse(x)
        )
        .toSparse(block)
    })
    out <- do.call(cbind, blocks)
    dimnames(out) <- dimnames(x)
    out
}

# Cells of the core, with the columns that a recipe reads.
.toCells <- function(x, columns, call) {
    x <- .asSparse(x, call)
    names <- colnames(x)
    .callBridge(
        "cells",
        reticulate::np_array(x@x), reticulate::np_array(x@i),
        reticulate::np_array(x@p), as.list(rev(dim(x))),
        as.list(rownames(x)),
        as.list(if (is.null(names)) as.character(seq_len(ncol(x))) else names),
        lapply(columns$categorical, function(v) as.list(as.character(v))),
        lapply(columns$continuous, function(v) as.list(as.numeric(v))),
        if (!is.null(columns$size_factor)) as.list(columns$size_factor),
        call = call
    )
}
