ns <- asNamespace("waddington")

test_that("every kind of matrix becomes the same dgCMatrix", {
    want <- mockCells(30, 12)
    want <- SummarizedExperiment::assay(want, "counts")
    dense <- as.matrix(want)
    integers <- dense
    storage.mode(integers) <- "integer"
    kinds <- list(
        dense = dense, integer = integers, frame = as.data.frame(dense),
        row = methods::as(want, "RsparseMatrix"),
        triplet = methods::as(want, "TsparseMatrix")
    )
    for (kind in names(kinds)) {
        expect_identical(
            ns$.asSparse(kinds[[kind]]), want, info = kind
        )
    }
    expect_identical(ns$.asSparse(want), want)
})

test_that("logical matrices become 0 and 1, symmetric ones general", {
    logical <- matrix(c(TRUE, FALSE, TRUE, TRUE), 2)
    for (x in list(logical, methods::as(logical, "CsparseMatrix"))) {
        got <- ns$.asSparse(x)
        expect_s4_class(got, "dgCMatrix")
        expect_identical(as.matrix(got) + 0, logical + 0, ignore_attr = TRUE)
    }
    symmetric <- Matrix::forceSymmetric(Matrix::Matrix(c(1, 2, 2, 0), 2))
    expect_s4_class(ns$.asSparse(symmetric), "dgCMatrix")
})

test_that("a DelayedMatrix is read block by block", {
    skip_if_not_installed("DelayedArray")
    want <- SummarizedExperiment::assay(mockCells(30, 12), "counts")
    old <- DelayedArray::getAutoBlockSize()
    suppressMessages(DelayedArray::setAutoBlockSize(8 * 12 * 7))
    on.exit(suppressMessages(DelayedArray::setAutoBlockSize(old)))
    delayed <- DelayedArray::DelayedArray(want)
    expect_equal(ns$.asSparse(delayed), want)
    dense <- DelayedArray::DelayedArray(as.matrix(want))
    expect_equal(ns$.asSparse(dense), want)
    skip_if_not_installed("HDF5Array")
    file <- withr::local_tempfile(fileext = ".h5")
    onDisk <- HDF5Array::writeHDF5Array(
        as.matrix(want), file, "counts", with.dimnames = TRUE
    )
    expect_equal(ns$.asSparse(onDisk), want)
    expect_equal(ns$.asSparse(onDisk[3:1, 5:9]), want[3:1, 5:9])
})

test_that("what holds no numbers is refused", {
    expect_error(ns$.asSparse(matrix("a")), class = "not_a_matrix")
})

# Counts that stay in a file.

# The same cells twice: counts in memory, and in a file of the dense kind that
# every version of HDF5Array writes.
filedCells <- function(file) {
    sce <- mockCells(40, 60)
    filed <- sce
    counts <- as.matrix(SummarizedExperiment::assay(sce, "counts"))
    SummarizedExperiment::assay(filed, "counts") <-
        HDF5Array::writeHDF5Array(counts, file, "counts", with.dimnames = TRUE)
    list(memory = sce, file = filed)
}

test_that("a matrix in a file is found there, whatever was picked of it", {
    skip_if_not_installed("HDF5Array")
    file <- withr::local_tempfile(fileext = ".h5")
    x <- SummarizedExperiment::assay(filedCells(file)$file, "counts")
    place <- ns$.inFile(x)
    expect_identical(basename(place$path), basename(file))
    expect_match(place$group, "counts")
    expect_null(place$cells)
    place <- ns$.inFile(x[10:1, 5:9][3:2, ][, c(1, 4)])
    expect_identical(place$genes, 8:9)
    expect_identical(place$cells, c(5L, 8L))
    for (other in list(log1p(x), t(x), x + x, as.matrix(x), x > 1)) {
        expect_null(ns$.inFile(other))
    }
})

test_that("counts in a file give the model that they give in memory", {
    skip_if_not_installed("HDF5Array")
    skip_if_not(waddingtonAvailable())
    sets <- filedCells(withr::local_tempfile(fileext = ".h5"))
    train <- function(x) {
        suppressWarnings(trainVAE(
            x, batch = "batch", epochs = 3, seed = 1, subset_row = 30:2
        ))
    }
    model <- train(sets$memory)
    filed <- train(sets$file)
    expect_equal(trainingHistory(filed), trainingHistory(model))
    expect_identical(
        getLatent(sets$memory, filed), getLatent(sets$memory, model)
    )
    expect_identical(
        getLatent(sets$file, model), getLatent(sets$memory, model)
    )
    expect_equal(
        as.matrix(SummarizedExperiment::assay(
            denoise(sets$file[, 9:3], model), "denoised"
        )),
        as.matrix(SummarizedExperiment::assay(
            denoise(sets$memory[, 9:3], model), "denoised"
        ))
    )
})

test_that("counts in a file never come to R where they are only read", {
    skip_if_not_installed("HDF5Array")
    skip_if_not(waddingtonAvailable())
    sets <- filedCells(withr::local_tempfile(fileext = ".h5"))
    suppressMessages(trace(
        ".asSparse", quote(stop("counts were read into R")), where = ns,
        print = FALSE
    ))
    withr::defer(suppressMessages(untrace(".asSparse", where = ns)))
    model <- suppressWarnings(trainVAE(sets$file, epochs = 1, seed = 1))
    expect_identical(dim(getLatent(sets$file, model)), c(40L, 10L))
    expect_error(getLatent(sets$memory, model), "read into R")
})

# A file as 10x writes it, and the matrix in it. HDF5Array 1.26 can't open its
# own TENxMatrix beside rhdf5 2.42, so the seed is made by hand.
tenxMatrix <- function(counts, file) {
    rhdf5::h5createFile(file)
    rhdf5::h5createGroup(file, "matrix")
    parts <- list(
        data = as.integer(counts@x), indices = counts@i, indptr = counts@p,
        shape = dim(counts), barcodes = colnames(counts)
    )
    for (name in names(parts)) {
        rhdf5::h5write(parts[[name]], file, file.path("matrix", name))
    }
    rhdf5::h5closeAll()
    seed <- methods::new(
        "TENxMatrixSeed", filepath = file, group = "matrix",
        dim = dim(counts), dimnames = dimnames(counts)
    )
    DelayedArray::DelayedArray(seed)
}

test_that("sparse matrices in files are found by group", {
    skip_if_not_installed("HDF5Array")
    skip_if_not_installed("rhdf5")
    sce <- mockCells(40, 60)
    counts <- SummarizedExperiment::assay(sce, "counts")
    x <- tenxMatrix(counts, withr::local_tempfile(fileext = ".h5"))
    place <- ns$.inFile(x[, 40:2])
    expect_identical(place[c("group", "cells")],
        list(group = "matrix", cells = 40:2))
    skip_if_not(waddingtonAvailable())
    SummarizedExperiment::assay(sce, "filed") <- x
    train <- function(assay) {
        suppressWarnings(
            trainVAE(sce, epochs = 2, seed = 1, assay.type = assay)
        )
    }
    expect_identical(
        getLatent(sce, train("filed")), getLatent(sce, train("counts"))
    )
})
