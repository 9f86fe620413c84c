# Everything that users give by mistake: an error or a warning that names the
# argument, what it was, and what to do.

sce <- mockCells(60, 20)

edited <- function(f) {
    counts <- as.matrix(SummarizedExperiment::assay(sce, "counts"))
    SummarizedExperiment::assay(sce, "counts") <- f(counts)
    sce
}

test_that("values that are no counts are refused for a count model", {
    skip_if_no_python()
    bad <- list(
        fraction = edited(function(x) x / 3),
        negative = edited(function(x) replace(x, 5, -1)),
        infinite = edited(function(x) replace(x, 5, Inf)),
        missing = edited(function(x) replace(x, 5, NA))
    )
    for (kind in names(bad)) {
        e <- expect_error(
            trainVAE(bad[[kind]], epochs = 1), class = "waddington_InputError"
        )
        expect_identical(conditionCall(e)[[1]], quote(trainVAE), info = kind)
    }
    expect_error(trainVAE(sce, assay.type = "logcounts", epochs = 1),
                 "counts", class = "waddington_InputError")
})

test_that("cells and genes without counts are a warning that names them", {
    skip_if_no_python()
    quiet <- function(code) {
        suppressWarnings(code, classes = "no_better_than_trivial")
    }
    cells <- edited(function(x) replace(x, col(x) == 3, 0))
    warned <- capture_warnings(quiet(trainVAE(cells, epochs = 1)))
    expect_match(warned, "cell0003", all = FALSE)
    genes <- edited(function(x) replace(x, row(x) == 3, 0))
    warned <- capture_warnings(quiet(trainVAE(genes, epochs = 1)))
    expect_match(warned, "1 of 20", all = FALSE)
})

test_that("gene names that repeat or lack are refused", {
    twice <- sce
    rownames(twice)[2] <- rownames(twice)[1]
    expect_error(trainVAE(twice), "make.unique", class = "duplicated_genes")
    none <- sce
    rownames(none) <- NULL
    expect_error(trainVAE(none), class = "unnamed_genes")
})

test_that("one cell is refused, few cells train with a word about it", {
    skip_if_no_python()
    expect_error(trainVAE(sce[, 1]), "at least 2",
                 class = "waddington_InputError")
    warned <- capture_warnings(trainVAE(sce[, 1:10], epochs = 1))
    expect_match(warned, "batch_size", all = FALSE)
})

test_that("covariates with NA, one level or no column are told", {
    skip_if_no_python()
    holes <- sce
    holes$batch[4] <- NA
    expect_error(trainVAE(holes, batch = "batch"), "`batch`",
                 class = "missing_value")
    same <- sce
    same$batch <- "a"
    warned <- capture_warnings(trainVAE(same, batch = "batch", epochs = 1))
    expect_match(warned, "one level", all = FALSE)
    expect_error(trainVAE(sce, batch = "bach"), "Did you mean \"batch\"",
                 class = "unknown_column")
    expect_error(trainVAE(sce, assay.type = "tpm"), class = "unknown_assay")
})

test_that("misspelt arguments and wrong values are told", {
    expect_error(trainVAE(sce, epoch = 3), "Did you mean `epochs`",
                 class = "unknown_argument")
    expect_error(trainVAE(sce, epochs = 0), "`epochs`")
    expect_error(trainVAE(sce, batch_size = 1), "`batch_size`")
    expect_error(trainVAE(sce, held_out = 1), "`held_out`")
    expect_error(trainVAE(sce, precision = "float16"), "`precision`")
    expect_error(trainVAE(sce, verbose = "yes"), "`verbose`")
    expect_error(trainVAE(sce, start = 3), class = "not_a_model")
    expect_error(trainVAE(sce, recipe = scvi), class = "not_a_recipe")
    expect_error(trainVAE(sce, recipe = vae(), batch = "batch"),
                 class = "unknown_argument")
    expect_error(trainVAE(sce, subset_row = "nope"), class = "unknown_genes")
    expect_error(trainVAE("counts.csv"), class = "not_a_matrix")
})

test_that("queries that do not fit the model are told", {
    sce <- mockCells()
    model <- modelOfMock()
    expect_error(getLatent(sce[1:60, ], model), "lacks 40 of the 100",
                 class = "missing_genes")
    new <- sce
    new$batch <- as.character(new$batch)
    new$batch[1] <- "batch9"
    expect_error(getLatent(new, model), "batch9", class = "unseen_level")
    lost <- sce
    lost$batch <- NULL
    expect_error(getLatent(lost, model), "batch", class = "unknown_column")
    expect_error(getLatent(sce), "missing")
    expect_error(getLatent(sce, scvi()), class = "not_a_model")
    expect_error(getLatent(sce, model, of = "median"), "must be one of")
    expect_error(denoise(sce, model, batch = "batch9"), class = "unseen_level")
    expect_error(denoise(sce, model, condition = "a"), "is the condition",
                 class = "unknown_covariate")
    expect_error(denoise(sce, model, as_if = list(donor = "a")),
                 class = "unknown_covariate")
    expect_error(denoise(sce, model, as_if = list("a")), "named list")
    expect_error(denoise(sce, model, library = "mean"), "must be one of")
    expect_error(denoise(sce, model, library = 0), "above 0")
})

test_that("a prediction that can't be made is told", {
    sce <- mockCells()
    model <- modelOfMock()
    ask <- function(...) {
        args <- utils::modifyList(list(
            sce, model, condition = "condition", from = "condition1",
            to = "condition2", cell_type = "cell_type", target = "type1"
        ), list(...), keep.null = TRUE)
        do.call(predictPerturbation, args)
    }
    expect_error(ask(to = "heat"), "heat", class = "unseen_level")
    expect_error(ask(to = "condition1"), class = "same_level")
    expect_error(ask(target = "type9"), class = "unseen_level")
    expect_error(ask(cell_type = NULL), class = "no_cell_type")
    expect_error(ask(method = "condition"), "cvae",
                 class = "waddington_InputError")
})

test_that("files that are no models are told apart", {
    model <- modelOfMock()
    file <- withr::local_tempfile(fileext = ".wad")
    saveModel(model, file)
    bytes <- readBin(file, "raw", file.size(file))
    write <- function(bytes) {
        path <- tempfile(fileext = ".wad")
        writeBin(bytes, path)
        path
    }
    cut <- write(utils::head(bytes, length(bytes) %/% 2))
    expect_error(loadModel(cut), class = "waddington_ModelFileError")
    foreign <- write(charToRaw("this is a text file, not a model"))
    expect_error(loadModel(foreign), class = "waddington_ModelFileError")
    at <- grepRaw("format\\\": 1,", bytes, fixed = TRUE)
    newer <- replace(bytes, at + 10L, charToRaw("9"))
    expect_error(loadModel(write(newer)), "update waddington",
                 class = "waddington_ModelFileError")
    expect_error(loadModel("/no/such.wad"), class = "no_file")
    expect_error(saveModel(model, file, overwrite = FALSE),
                 class = "file_exists")
    expect_error(saveModel(model, "/no/such/folder/m.wad"),
                 class = "no_folder")
})

test_that("a full disk leaves the old file whole", {
    model <- modelOfMock()
    file <- withr::local_tempfile(fileext = ".wad")
    saveModel(model, file)
    before <- tools::md5sum(file)
    half <- function(bytes, to) writeBin(utils::head(bytes, 10), to)
    fail <- function(bytes, to) stop("No space left on device")
    for (write in list(half, fail)) {
        expect_error(
            waddington:::.writeWhole(model@weights, file, NULL, write),
            "not been touched", class = "not_written"
        )
    }
    expect_identical(tools::md5sum(file), before)
    expect_identical(list.files(dirname(file), basename(file)), basename(file))
})
