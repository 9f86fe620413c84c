# The only place where R data become Python data.
#
# Counts are genes x cells here. The slots of a dgCMatrix are those of a
# (cells, genes) CSR matrix, so they are handed over as they are: no transpose,
# nothing dense, one copy. Counts that are in a file stay there, if they can be
# read by cell: Python is told where they are.

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

# Where a DelayedMatrix is in a file: path, group, and the cells and genes that
# are chosen, counted from 0, NULL for all. NULL if its values are computed, or
# are stored gene by gene.
.inFile <- function(x) {
    if (!methods::is(x, "DelayedMatrix")) {
        return(NULL)
    }
    index <- list(NULL, NULL)
    seed <- x@seed
    while (methods::is(seed, "DelayedOp")) {
        if (methods::is(seed, "DelayedSubset")) {
            index <- Map(.ofThese, seed@index, index)
        } else if (!methods::is(seed, "DelayedSetDimnames")) {
            return(NULL)
        }
        seed <- seed@seed
    }
    place <- .placeOfSeed(seed)
    if (!is.null(place)) {
        c(place, list(genes = index[[1L]], cells = index[[2L]]))
    }
}

# Those of `first` that `second` picks; NULL is all.
.ofThese <- function(first, second) {
    if (is.null(first)) second else if (is.null(second)) first else
        first[second]
}

# The file of a seed, and where in it; NULL for what can't be read by cell.
.placeOfSeed <- function(seed) {
    sparse <- c(
        "TENxMatrixSeed", "CSC_H5SparseMatrixSeed", "CSC_H5ADMatrixSeed"
    )
    if (inherits(seed, sparse) && is.null(seed@subdata)) {
        return(list(path = seed@filepath, group = seed@group))
    }
    numbers <- c("integer", "double", "logical")
    dense <- inherits(seed, "HDF5ArraySeed") &&
        !inherits(seed, "ReshapedHDF5ArraySeed") &&
        DelayedArray::type(seed) %in% numbers
    if (dense && is.character(seed@filepath)) {
        list(path = seed@filepath, group = seed@name)
    }
}

# Cells of the core, with the columns that a recipe reads. With `filed`, counts
# that are in a file are left there, for what reads them a block at a time.
.toCells <- function(x, columns, call, filed = FALSE) {
    .bridge(call) # arrays need a Python that runs: reticulate crashes without
    place <- if (filed) .inFile(x)
    told <- if (is.null(place)) {
        .slotsOf(.asSparse(x, call))
    } else {
        c("cells_in_file", place$path, place$group,
            lapply(place[c("cells", "genes")], .fromZero))
    }
    names <- colnames(x)
    rlang::inject(.callBridge(
        !!!unname(told), as.list(rownames(x)),
        as.list(if (is.null(names)) as.character(seq_len(ncol(x))) else names),
        lapply(columns$categorical, function(v) as.list(as.character(v))),
        lapply(columns$continuous, function(v) as.list(as.numeric(v))),
        if (!is.null(columns$size_factor)) as.list(columns$size_factor),
        call = call
    ))
}

.slotsOf <- function(x) {
    slots <- lapply(list(x@x, x@i, x@p), reticulate::np_array)
    c("cells", slots, list(as.list(rev(dim(x)))))
}

.fromZero <- function(index) {
    if (!is.null(index)) reticulate::np_array(as.integer(index) - 1L)
}
