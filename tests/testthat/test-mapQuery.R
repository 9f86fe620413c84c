# Queries on a reference that must not move; labels from its neighbours.

cells <- mockCells(500, n_batches = 4)
reference <- cells[, cells$batch %in% c("batch1", "batch2")]
query <- cells[, cells$batch == "batch3"]

modelOfReference <- function() {
    skip_if_no_python()
    trained("reference", trainVAE(
        reference, batch = "batch", epochs = 40, seed = 1
    ))
}

mapped <- function(...) {
    mapQuery(query, modelOfReference(), epochs = 10, seed = 1, ...)
}

test_that("a query gets positions, a report and a model that knows it", {
    out <- mapped()
    expect_s4_class(out, "SingleCellExperiment")
    z <- SingleCellExperiment::reducedDim(out, "VAE")
    expect_identical(
        dimnames(z), list(colnames(query), paste0("VAE", 1:10))
    )
    report <- S4Vectors::metadata(out)$mapping
    expect_identical(report$new, list(batch = "batch3"))
    expect_identical(report$genes$n_found, 100L)
    expect_length(report$genes$missing, 0L)
    expect_identical(nrow(report$history), 20L)
    expect_output(print(report), "New: batch batch3")
    model <- mappedModel(out)
    expect_identical(model@levels$batch, paste0("batch", 1:3))
    expect_equal(getLatent(out, model), z, tolerance = 1e-6)
})

test_that("the reference stays where it was, to the bit", {
    model <- modelOfReference()
    wide <- mappedModel(mapped(), "model")
    expect_identical(getLatent(reference, wide), getLatent(reference, model))
    expect_identical(
        denoise(reference, wide)@assays, denoise(reference, model)@assays
    )
})

test_that("a second query follows the first", {
    third <- cells[, cells$batch == "batch4"]
    again <- mapQuery(
        third, mappedModel(mapped(), "model"), epochs = 10, seed = 1
    )
    model <- mappedModel(again, "model")
    expect_identical(model@levels$batch, paste0("batch", 1:4))
    expect_identical(
        getLatent(reference, model), getLatent(reference, modelOfReference())
    )
})

test_that("the decoder learns the batch", {
    out <- mapped()
    truth <- SummarizedExperiment::assay(query, "mean")
    log_mean <- function(x) log(rowMeans(x))
    error <- function(model, level) {
        made <- denoise(out, model, batch = level)
        made <- SummarizedExperiment::assay(made, "harmonised")
        mean(abs(log_mean(made) - log_mean(truth)))
    }
    model <- mappedModel(out)
    expect_lt(error(model, "batch3"), error(model, "batch1"))
    expect_lt(error(model, "batch3"), error(model, "batch2"))
})

test_that("missing genes are counted, named and left out", {
    model <- modelOfReference()
    few <- query[-(1:30), ]
    expect_warning(
        out <- mapQuery(few, model, epochs = 5, seed = 1), "70 of the model's"
    )
    report <- S4Vectors::metadata(out)$mapping
    expect_identical(report$genes$missing, rownames(query)[1:30])
    expect_identical(report$genes$n_found, 70L)
    words <- paste(capture.output(report), collapse = " ")
    expect_match(words, "absent: +gene001, gene002, gene003 and 27 more")
    expect_identical(rownames(mappedModel(out)), rownames(few))
    expect_identical(rownames(mappedModel(out, "model")), rownames(query))
    expect_identical(
        rownames(denoise(out, mappedModel(out))), rownames(few)
    )
    expect_silent(mapQuery(query[-1, ], model, epochs = 1, verbose = FALSE))
})

test_that("queries go onto conditional recipes of every kind", {
    skip_if_no_python()
    few <- mockCells(150, 40, n_batches = 3)
    old <- few[, few$batch != "batch3"]
    recipes <- list(
        scvi(batch = "batch", encode_covariates = TRUE),
        scvi(batch = "batch", n_embedding = 2L),
        scvi(batch = "batch", dispersion = "gene-batch"),
        linear_scvi(batch = "batch"), scpoli(batch = "batch"),
        adversarial_vae(batch = "batch"), cvae(condition = "batch"),
        trvae(condition = "batch"), saucie(batch = "batch")
    )
    for (recipe in recipes) {
        info <- format(recipe)
        model <- suppressWarnings(
            trainVAE(old, recipe, epochs = 1, seed = 1)
        )
        out <- mapQuery(few[-1, few$batch == "batch3"], model, epochs = 1)
        wide <- mappedModel(out, "model")
        expect_identical(
            getLatent(old, wide), getLatent(old, model), info = info
        )
        harmonised <- denoise(
            out, mappedModel(out), as_if = list(batch = "batch1")
        )
        expect_identical(rownames(harmonised), rownames(few)[-1], info = info)
    }
})

test_that("verbs that need all genes point at mapQuery()", {
    model <- modelOfReference()
    expect_error(getLatent(reference[-1, ], model), "mapQuery",
                 class = "missing_genes")
})

test_that("known batches train nothing", {
    model <- modelOfReference()
    out <- mapQuery(reference, model)
    expect_output(print(S4Vectors::metadata(out)$mapping), "No level is new")
    expect_identical(
        SingleCellExperiment::reducedDim(out, "VAE"),
        getLatent(reference, model)
    )
    expect_message(mapQuery(reference, model, verbose = TRUE), "No level")
})

test_that("one cell, a matrix and repeated barcodes are mapped", {
    model <- modelOfReference()
    one <- mapQuery(query[, 1], model, epochs = 2, seed = 1)
    expect_identical(dim(SingleCellExperiment::reducedDim(one)), c(1L, 10L))
    counts <- SummarizedExperiment::assay(query, "counts")
    batch <- data.frame(batch = as.character(query$batch))
    bare <- mapQuery(counts, model, covariates = batch, epochs = 10, seed = 1)
    expect_s4_class(bare, "SingleCellExperiment")
    expect_identical(
        SingleCellExperiment::reducedDim(bare),
        SingleCellExperiment::reducedDim(mapped())
    )
    twice <- query
    colnames(twice) <- rep(colnames(query)[1:5], length.out = ncol(query))
    out <- mapQuery(twice, model, epochs = 10, seed = 1)
    expect_identical(
        unname(SingleCellExperiment::reducedDim(out)),
        unname(SingleCellExperiment::reducedDim(mapped()))
    )
})

test_that("genes by other names are told, and the column that fits", {
    model <- modelOfReference()
    other <- query
    rownames(other) <- sprintf("ENSG%011d", seq_len(nrow(query)))
    expect_error(mapQuery(other, model), "Ensembl gene",
                 class = "missing_genes")
    expect_error(mapQuery(other, model), "kind of names that the model has")
    SummarizedExperiment::rowData(other)$symbol <- rownames(query)
    expect_error(mapQuery(other, model), "rowData(x)$symbol has 100 of them",
                 fixed = TRUE, class = "missing_genes")
})

test_that("other faults of a query are told", {
    model <- modelOfReference()
    lost <- query
    lost$batch <- NULL
    expect_error(mapQuery(lost, model), "batch", class = "unknown_column")
    holes <- query
    holes$batch[2] <- NA
    expect_error(mapQuery(holes, model), class = "missing_value")
    expect_error(mapQuery(query, 3), class = "not_a_model")
    expect_error(mapQuery(query, model, epoch = 3), "epochs",
                 class = "unknown_argument")
    expect_error(mappedModel(query), class = "not_mapped")
    expect_error(mappedModel(mapped(), "all"), "must be one of")
    gan <- suppressWarnings(trainGAN(reference, epochs = 1, seed = 1))
    expect_error(mapQuery(query, gan), "no encoder",
                 class = "waddington_InputError")
})

test_that("labels come from neighbours, with their share of the votes", {
    known <- runVAE(reference, model = modelOfReference())
    out <- transferLabels(mapped(), known, "cell_type")
    expect_gt(mean(as.character(out$label_best) == out$cell_type), 0.9)
    expect_true(all(out$label_uncertainty >= 0 & out$label_uncertainty <= 1))
    expect_identical(out$label == "unknown", out$label_uncertainty > 0.5)
    strict <- transferLabels(mapped(), known, "cell_type", max_uncertainty = 0)
    expect_identical(
        strict$label == "unknown", strict$label_uncertainty > 0
    )
})

test_that("votes are weighed as documented", {
    place <- function(z, ...) {
        made <- SingleCellExperiment::SingleCellExperiment(
            list(counts = matrix(0, 1, length(z))), ...
        )
        SingleCellExperiment::reducedDim(made, "VAE") <- matrix(z)
        made
    }
    known <- place(c(1, 1.5, -2, 50))
    skip_if_no_python()
    out <- transferLabels(place(0), known, c("a", "b", "b", "c"), k = 3)
    weight <- exp(-c(1, 2.25, 4) / 4)
    expect_identical(as.character(out$label), "b")
    expect_equal(out$label_uncertainty, weight[1] / sum(weight))
    half <- transferLabels(place(0), known, c("a", NA, "b", "c"), k = 2)
    expect_identical(as.character(half$label_best), "a")
    expect_identical(levels(half$label_best), c("a", "b", "c"))
})

test_that("labels that can't be transferred are told", {
    known <- runVAE(reference, model = modelOfReference())
    ask <- function(...) transferLabels(mapped(), ...)
    expect_error(ask(reference, "cell_type"), "runVAE",
                 class = "unknown_dimred")
    expect_error(ask(known, "kind"), class = "unknown_column")
    expect_error(ask(known, rep(NA_character_, ncol(known))),
                 class = "missing_value")
    expect_error(ask(known, "cell_type", k = 0), "`k`")
    narrow <- known
    SingleCellExperiment::reducedDim(narrow, "VAE") <-
        SingleCellExperiment::reducedDim(known, "VAE")[, 1:3]
    expect_error(ask(narrow, "cell_type"), "10 and 3", class = "other_space")
})
