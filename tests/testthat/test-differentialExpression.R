# Differences between groups of cells whose truth is known.

cells <- mockCells(400, n_batches = 3)
cells$donor <- paste0("d", rep_len(1:4, 400))

modelOfGroups <- function() {
    skip_if_no_python()
    trained("groups", trainVAE(
        cells, batch = "batch", epochs = 60, seed = 1
    ))
}

ask <- function(...) {
    differentialExpression(cells, modelOfGroups(), ..., seed = 1)
}

test_that("markers come first, with their fold change and its direction", {
    out <- ask("cell_type", to = "type1")
    expect_s4_class(out, "DataFrame")
    expect_setequal(rownames(out), rownames(cells))
    expect_false(is.unsorted(-out$p_de))
    marks <- SummarizedExperiment::rowData(cells)$marker_of %in% "type1"
    expect_setequal(rownames(out)[1:10], rownames(cells)[marks])
    expect_true(all(out$lfc_median[1:10] > 1))
    expect_true(all(out$is_de[1:10]))
    back <- ask("cell_type", from = "type1", to = "type2")
    expect_lt(max(back[rownames(cells)[marks], "lfc_median"]), 0)
})

test_that("columns hang together, and each is described with its unit", {
    out <- ask("cell_type", from = "type2", to = "type1", batch = "batch")
    told <- S4Vectors::mcols(out)
    expect_identical(rownames(told), names(out))
    expect_true(all(nzchar(told$unit)) && all(nzchar(told$description)))
    expect_equal(out$p_de, pmax(out$p_up, out$p_down))
    expect_true(all(out$lfc_low <= out$lfc_median))
    expect_true(all(out$lfc_median <= out$lfc_high))
    expect_equal(sum(out$share_to), 1, tolerance = 1e-4)
    running <- cumsum(1 - out$p_de) / seq_along(out$p_de)
    expect_lt(max(abs(out$fdr - running)), 1e-3) # ties are in another order
    expect_identical(out$is_de, out$fdr <= 0.05)
    counts <- SummarizedExperiment::assay(cells, "counts")
    type1 <- counts[, cells$cell_type == "type1"]
    share <- t(t(as.matrix(type1)) / Matrix::colSums(type1))
    expect_equal(out[rownames(cells), "raw_to"], unname(1e4 * rowMeans(share)))
    expect_equal(
        out[rownames(cells), "detected_to"], unname(rowMeans(share > 0))
    )
})

test_that("every column is on the help page", {
    source <- testthat::test_path("..", "..")
    pages <- if (dir.exists(file.path(source, "man"))) {
        tools::Rd_db(dir = source)
    } else {
        tools::Rd_db("waddington")
    }
    page <- paste(unlist(pages[["differentialExpression.Rd"]]), collapse = "")
    columns <- c(rownames(.cellColumns()), rownames(.donorColumns()))
    for (column in columns) {
        expect_match(page, column, fixed = TRUE)
    }
})

test_that("what was compared is in the metadata", {
    out <- ask("cell_type", to = "type1", batch = "batch", delta = 1)
    about <- S4Vectors::metadata(out)
    expect_identical(about$group, "cell_type")
    expect_identical(about$to, "type1")
    expect_null(about$from)
    expect_identical(about$delta, 1)
    expect_identical(about$strata, paste0("batch", 1:3))
    n <- sum(cells$cell_type == "type1")
    expect_identical(about$n_cells, c(to = n, from = 400L - n))
    expect_gt(about$pseudo, 0)
})

test_that("the Monte-Carlo error is that between seeds", {
    model <- modelOfGroups()
    runs <- lapply(1:12, function(seed) {
        differentialExpression(
            cells, model, "condition", "condition1", "condition2", seed = seed,
            n_samples = 500, n_pairs = 500
        )[rownames(cells), ]
    })
    p <- vapply(runs, function(r) r$p_de, numeric(100))
    told <- rowMeans(vapply(runs, function(r) r$mc_error, numeric(100)))
    ratio <- sqrt(mean(apply(p, 1, stats::var))) / sqrt(mean(told^2))
    expect_gt(ratio, 0.6)
    expect_lt(ratio, 1.6)
})

test_that("vanilla asks for any change, change for one that matters", {
    any <- ask("cell_type", to = "type1", mode = "vanilla")
    large <- ask("cell_type", to = "type1", delta = 2)
    expect_true(all(any$p_de >= 0.4))
    expect_lt(sum(large$is_de), sum(any$is_de) + 1)
    some <- rownames(cells)
    expect_true(all(large[some, "p_de"] <= any[some, "p_de"] + 1e-12))
})

test_that("a seed makes it reproducible", {
    first <- ask("cell_type", to = "type1")
    expect_identical(first, ask("cell_type", to = "type1"))
})

test_that("donors are replicates when they are named", {
    out <- differentialExpression(
        cells, modelOfGroups(), "condition", "condition1", "condition2",
        donor = "donor"
    )
    responds <- SummarizedExperiment::rowData(cells)$responds
    expect_identical(rownames(S4Vectors::mcols(out)), names(out))
    expect_false(is.unsorted(out$p))
    expect_setequal(rownames(out)[1:8], intersect(
        rownames(out)[1:8], rownames(cells)[responds]
    ))
    expect_true(all(out[rownames(cells)[responds], "lfc"] > 0.5))
    expect_equal(out$q, stats::p.adjust(out$p, "BH"), tolerance = 1e-5)
    # Welch's or paired: every donor has both, so it is a paired test
    counts <- as.matrix(SummarizedExperiment::assay(cells, "counts"))
    share <- function(condition) {
        vapply(paste0("d", 1:4), function(d) {
            here <- cells$donor == d & cells$condition == condition
            rowSums(counts[, here]) / sum(counts[, here])
        }, numeric(100))
    }
    pseudo <- 0.1 / stats::median(colSums(counts))
    change <- log2(share("condition2") + pseudo) -
        log2(share("condition1") + pseudo)
    want <- stats::t.test(change["gene095", ])
    expect_equal(out["gene095", "bulk_p"], want$p.value, tolerance = 1e-5)
    expect_equal(
        out["gene095", "bulk_lfc"], unname(want$estimate), tolerance = 1e-6
    )
})

test_that("groups that are not there, or can't be compared, are told", {
    expect_error(ask("cell_type", to = "type9"), "type3",
                 class = "unseen_level")
    expect_error(ask("cell_type", from = "type9", to = "type1"), "`from`",
                 class = "unseen_level")
    expect_error(ask("cell_type", "type1", "type1"), class = "same_level")
    expect_error(ask("cell_type"), "`to`", class = "missing_argument")
    expect_error(ask("kind", to = "a"), class = "unknown_column")
    holes <- cells
    holes$cell_type[3] <- NA
    expect_error(
        differentialExpression(
            holes, modelOfGroups(), "cell_type", to = "type1"
        ),
        "not known for 1", class = "missing_value"
    )
    expect_error(ask("batch", "batch1", "batch2", batch = "batch"),
                 "no level of", class = "waddington_InputError")
    expect_error(ask("cell_type", to = "type1", mode = "both"), "`mode`")
    expect_error(ask("cell_type", to = "type1", fdr = 2), "`fdr`")
    expect_error(ask("cell_type", to = "type1", delta = -1), "`delta`")
    none <- ask("cell_type", to = "type1", delta = 0)
    expect_identical(S4Vectors::metadata(none)$delta, 0)
    expect_error(ask("cell_type", to = "type1", donor = "donor"), "`from`",
                 class = "missing_argument")
    expect_error(
        ask("condition", "condition1", "condition2", donor = "donor",
            batch = "batch"),
        class = "two_designs"
    )
    cells$one <- as.character(cells$condition)
    expect_error(
        differentialExpression(
            cells, modelOfGroups(), "condition", "condition1", "condition2",
            donor = "one"
        ),
        "two or more", class = "waddington_InputError"
    )
    plain <- trainVAE(
        mockCells(60, 20), autoencoder(likelihood = "normal"), epochs = 1,
        seed = 1, assay.type = "logcounts"
    ) |> suppressWarnings()
    expect_error(
        differentialExpression(
            mockCells(60, 20), plain, "cell_type", to = "type1"
        ),
        "autoencoder", class = "waddington_InputError"
    )
})

test_that("the density of a sample is higher where its cells are", {
    model <- modelOfGroups()
    set.seed(1)
    cells$sample <- sample(c("a", "b", "c", "d"), 400, replace = TRUE)
    many <- cells$cell_type == "type1"
    cells$sample[many] <- sample(c("c", "d"), sum(many), replace = TRUE)
    cells$state <- ifelse(cells$sample %in% c("a", "b"), "rest", "wake")
    out <- differentialAbundance(
        cells, model, "sample", "state", "rest", "wake", seed = 1
    )
    expect_identical(rownames(out), colnames(cells))
    expect_identical(names(out), c("log_ratio", "se", "log_density"))
    expect_identical(colnames(out$log_density), c("a", "b", "c", "d"))
    d <- out$log_density
    expect_equal(
        out$log_ratio, unname(rowMeans(d[, 3:4]) - rowMeans(d[, 1:2]))
    )
    expect_equal(out$se[1], unname(sqrt(
        stats::var(d[1, 1:2]) / 2 + stats::var(d[1, 3:4]) / 2
    )))
    means <- tapply(out$log_ratio, cells$cell_type, mean)
    expect_gt(means[["type1"]], log(2))
    expect_lt(means[["type2"]], 0)
    one <- differentialAbundance(
        cells, model, "state", from = "rest", to = "wake", seed = 1
    )
    expect_true(all(is.na(one$se)))
    bare <- differentialAbundance(cells, model, "sample", seed = 1)
    expect_identical(names(bare), "log_density")
    expect_equal(bare$log_density, d)
})

test_that("samples that can't be compared are told", {
    model <- modelOfGroups()
    ask <- function(...) differentialAbundance(cells, model, ...)
    expect_error(ask("donor", "condition", "condition1", "condition2"),
                 "several", class = "mixed_samples")
    expect_error(ask("donor", from = "d1", to = "d9"), "d9",
                 class = "unseen_level")
    expect_error(ask("doner"), "donor", class = "unknown_column")
    expect_error(ask("donor", n_most = 0), "`n_most`")
})

test_that("values may be given, and never pass for a covariate of the model", {
    model <- modelOfGroups()
    batch <- rev(as.character(cells$batch))
    type <- as.character(cells$cell_type)
    out <- differentialExpression(
        cells, model, type, to = "type1", batch = batch, seed = 1
    )
    named <- cells
    named$other <- batch
    want <- differentialExpression(
        named, model, "cell_type", to = "type1", batch = "other", seed = 1
    )
    expect_identical(out$p_de, want$p_de)
    expect_identical(
        S4Vectors::metadata(out)$group, "values of group"
    )
    own <- differentialExpression(
        cells, model, "batch", from = "batch1", to = "batch2", seed = 1
    )
    expect_setequal(rownames(own), rownames(cells))
})
