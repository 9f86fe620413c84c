ns <- asNamespace("waddington")

# What an object saved by a newer Bioconductor looks like here: its sequence
# information is of a class in a package that is not installed.
foreign <- function(x) {
    ranges <- attr(x, "rowRanges")
    inner <- attr(ranges, "unlistData")
    info <- attr(inner, "seqinfo")
    class <- class(info)
    attr(class, "package") <- "PackageOfTheFuture"
    attr(info, "class") <- class
    attr(inner, "seqinfo") <- info
    attr(ranges, "unlistData") <- inner
    attr(x, "rowRanges") <- ranges
    x
}

test_that("an experiment of a newer Bioconductor is brought back", {
    sce <- mockCells(20, 10)
    broken <- foreign(sce)
    info <- function(x) {
        inner <- attr(attr(x, "rowRanges"), "unlistData")
        attr(class(attr(inner, "seqinfo")), "package")
    }
    expect_identical(info(broken), "PackageOfTheFuture")
    mended <- ns$.asSCE(broken)
    expect_identical(info(mended), "GenomeInfoDb")
    expect_true(validObject(mended))
    expect_identical(SummarizedExperiment::assay(mended),
                     SummarizedExperiment::assay(sce))
    expect_identical(ns$.asSCE(sce), sce)
})

test_that("a model can be trained on it and asked", {
    skip_if_no_python()
    broken <- foreign(mockCells(40, 12))
    model <- suppressWarnings(trainVAE(broken, epochs = 1, seed = 1))
    expect_identical(dim(getLatent(broken, model)), c(40L, 10L))
    made <- denoise(broken, model)
    expect_identical(
        SummarizedExperiment::assayNames(made),
        c("counts", "logcounts", "mean", "denoised")
    )
})
