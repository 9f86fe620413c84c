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
