# Cells as if elsewhere, more of them, how rare they are, and paths.

test_that("cells of another batch look like those of that batch", {
    sce <- mockCells()
    model <- modelOfMock()
    out <- transformCells(sce, model, list(batch = "batch1"), seed = 1)
    made <- SummarizedExperiment::assay(out, "transformed")
    counts <- SummarizedExperiment::assay(sce, "counts")
    expect_s4_class(made, "dgCMatrix")
    expect_identical(dimnames(made), dimnames(counts))
    expect_true(all(made@x == round(made@x)))
    stay <- sce$batch == "batch1"
    expect_equal(made[, stay], counts[, stay])
    share <- function(x) rowMeans(prop.table(as.matrix(x), 2))
    away <- function(x) {
        sum(abs(share(x[, !stay]) - share(counts[, stay])))
    }
    expect_lt(away(made), away(counts) / 1.2)
    again <- transformCells(sce, model, "batch1", seed = 1, name = "again")
    expect_identical(SummarizedExperiment::assay(again, "again"), made)
    smooth <- transformCells(counts, model, "batch1", draw = FALSE,
                             covariates = data.frame(batch = sce$batch))
    expect_true(is.matrix(smooth))
    expect_gt(cor(c(smooth), c(as.matrix(made))), 0.9)
})

test_that("a model that was not told moves cells in latent space", {
    sce <- mockCells()
    model <- modelOfMock()
    responds <- SummarizedExperiment::rowData(sce)$responds
    out <- transformCells(
        sce, model, list(condition = "condition2"), cell_type = "cell_type",
        seed = 1
    )
    moved <- sce$condition == "condition1"
    made <- SummarizedExperiment::assay(out, "transformed")[responds, moved]
    counts <- SummarizedExperiment::assay(sce, "counts")[responds, moved]
    expect_gt(sum(made), 1.3 * sum(counts))
})

test_that("what can't be transformed is refused by name", {
    sce <- mockCells()
    model <- modelOfMock()
    expect_error(transformCells(sce, model, "nope"), "batch1",
                 class = "unseen_level")
    expect_error(transformCells(sce, model, list(batch = "nope")),
                 class = "unseen_level")
    expect_error(transformCells(sce, model, list(nope = "a")),
                 class = "unknown_column")
    expect_error(transformCells(sce, model, c("batch1", "batch2")),
                 class = "unnamed")
    expect_error(transformCells(sce, model, "batch1", name = "counts"),
                 class = "assay_exists")
    sce$condition[5] <- NA
    expect_error(
        transformCells(sce, model, list(condition = "condition2")),
        class = "missing_value"
    )
})

test_that("new cells are of the type that was asked for", {
    sce <- mockCells()
    skip_if_no_python()
    model <- trained("typed", trainVAE(
        sce, recipe = cvae("cell_type"), epochs = 40, seed = 1
    ))
    marks <- SummarizedExperiment::rowData(sce)$marker_of
    for (type in c("type1", "type3")) {
        made <- sampleCells(model, 200, cell_type = type, seed = 1)
        expect_true(all(made$cell_type == type))
        counts <- SummarizedExperiment::assay(made, "counts")
        real <- SummarizedExperiment::assay(sce, "counts")
        of <- which(marks == type)
        share <- function(x) sum(x[of, ]) / sum(x)
        mine <- sce$cell_type == type
        expect_gt(share(counts), share(real[, !mine]) * 2)
        expect_equal(share(counts), share(real[, mine]), tolerance = 0.5)
    }
    expect_error(sampleCells(model, 5, cell_type = "nope"), "type1",
                 class = "unseen_level")
    expect_error(sampleCells(modelOfMock(), 5, cell_type = "type1"),
                 "augment", class = "unseen_level")
})

test_that("augmented data are the cells and new ones like those of the type", {
    sce <- mockCells()
    model <- modelOfMock()
    more <- augment(sce, model, "type2", n = 60, cell_type = "cell_type",
                    seed = 1)
    expect_identical(ncol(more), 260L)
    expect_identical(colnames(more)[1:200], colnames(sce))
    expect_identical(which(more$generated), 201:260)
    new <- more[, more$generated]
    expect_true(all(new$cell_type == "type2"))
    expect_identical(
        as.character(new$batch),
        as.character(sce[, new$made_after]$batch)
    )
    expect_lte(diff(range(table(new$made_after))), 1)
    old <- SummarizedExperiment::assay(more, "counts")[, 1:200]
    expect_equal(old, SummarizedExperiment::assay(sce, "counts"))
    marks <- SummarizedExperiment::rowData(sce)$marker_of %in% "type2"
    share <- function(x) {
        x <- SummarizedExperiment::assay(x, "counts")
        sum(x[marks, ]) / sum(x)
    }
    others <- share(sce[, sce$cell_type != "type2"])
    expect_gt(share(new), 2 * others)
    rare <- sce[, -which(sce$cell_type == "type2")[-(1:5)]]
    expect_warning(augment(rare, model, "type2", 5), "only 5 cells")
    expect_error(augment(sce, model, "nope", 5), class = "unseen_level")
    expect_error(augment(sce, model, "type1", 0), "n")
    expect_error(augment(sce, model, "type1", 5, cell_type = "kind"),
                 class = "unknown_column")
    expect_error(augment(1:3, model, "type1", 5),
                 class = "not_an_experiment")
})

test_that("cells of a rare type are rarer than others, by every method", {
    sce <- mockCells(300)
    skip_if_no_python()
    sce <- sce[, -which(sce$cell_type == "type1")[-(1:6)]]
    model <- trained("rare", trainVAE(sce, epochs = 40, seed = 1))
    for (method in c("density", "neighbours", "components")) {
        found <- rareness(sce, model, method = method, seed = 1)
        expect_identical(names(found), colnames(sce))
        rank <- rank(found) / length(found)
        expect_gt(mean(rank[sce$cell_type == "type1"]), 0.75)
    }
    sketch <- rareness(sce, model, method = "sketch", seed = 1)
    expect_true(all(is.finite(sketch)))
    expect_identical(rareness(sce, model, method = "sketch", seed = 1), sketch)
    expect_error(rareness(sce, model, method = "nope"), "method")
    expect_error(rareness(sce, 1), class = "not_a_model")
})

test_that("paths of all kinds end where their groups are", {
    sce <- mockCells()
    model <- modelOfMock()
    paths <- lapply(c("linear", "slerp", "manifold"), function(path) {
        interpolateCells(sce, model, "type1", "type2", label = "cell_type",
                         steps = 5, path = path)
    })
    for (path in paths) {
        expect_identical(dim(path), c(100L, 5L))
        expect_equal(path[, c(1, 5)], paths[[1]][, c(1, 5)], tolerance = 1e-4)
        novelty <- attr(path, "novelty")
        expect_length(novelty, 5L)
        expect_true(all(novelty >= 0 & novelty <= 1))
    }
    expect_false(isTRUE(all.equal(paths[[1]][, 3], paths[[3]][, 3])))
    expect_error(
        interpolateCells(sce, model, "type1", "type2", label = "cell_type",
                         path = "curly"), "path"
    )
})

test_that("the heat map marks the steps where no cells are", {
    path <- outer(1:3, seq(0, 1, 0.25))
    dimnames(path) <- list(c("a", "b", "c"), seq(0, 1, 0.25))
    expect_null(plotInterpolation(path)$labels$caption)
    attr(path, "novelty") <- c(0.1, 0.97, 1, 0.5, 0.2)
    drawn <- plotInterpolation(path)
    expect_match(drawn$labels$caption, "2 of 5")
    crosses <- ggplot2::layer_data(drawn, 2)
    expect_equal(crosses$x, c(0.25, 0.5))
})

test_that("a traversal moves one dimension", {
    sce <- mockCells()
    model <- modelOfMock()
    path <- traverseLatent(sce, model, 2, steps = 7, span = 2)
    expect_identical(dim(path), c(100L, 7L))
    expect_equal(as.numeric(colnames(path)), seq(-2, 2, length.out = 7),
                 tolerance = 1e-3)
    expect_identical(traverseLatent(sce, model, "VAE2", steps = 7, span = 2),
                     path)
    other <- traverseLatent(sce, model, 3, steps = 7, span = 2)
    expect_equal(other[, 4], path[, 4], tolerance = 1e-4)
    expect_match(plotInterpolation(path)$labels$x, "VAE2")
    for (bad in list(0, 11, "VAE11", c(1, 2), 1.5, NA)) {
        expect_error(traverseLatent(sce, model, bad),
                     class = "unknown_dimension")
    }
    expect_error(traverseLatent(sce, model, 1, as_if = list(batch = "nope")),
                 class = "unseen_level")
})

test_that("responses at doses between those measured are drawn", {
    sce <- mockCells(600)
    skip_if_no_python()
    up <- sce$condition == "condition2"
    dose <- rep(c(0.25, 0.5, 1), 200)
    mean <- SummarizedExperiment::assay(sce, "mean")
    responds <- which(SummarizedExperiment::rowData(sce)$responds)
    mean[responds, up] <- mean[responds, up] / 3 *
        rep(3^dose[up], each = length(responds))
    SummarizedExperiment::assay(sce, "counts") <- withr::with_seed(1, array(
        as.numeric(stats::rnbinom(length(mean), mu = mean, size = 5)),
        dim(mean), dimnames(mean)
    ))
    sce$dose <- as.character(ifelse(up, dose, 1))
    model <- trained("dose", trainVAE(
        sce[, !(up & sce$dose == "0.5")],
        recipe = cpa("condition", control = "condition1", dose = "dose"),
        epochs = 30, seed = 1
    ))
    drawn <- plotDoseResponse(
        sce, model, condition = "condition", from = "condition1",
        to = "condition2", doses = c(0, 0.5, 1), n_genes = 4,
        observed_dose = "dose", seed = 1
    )
    expect_identical(nrow(drawn$data), 12L)
    expect_true(all(levels(drawn$data$gene) %in% rownames(sce)[responds]))
    by <- tapply(drawn$data$predicted, drawn$data$dose, mean)
    expect_true(all(diff(by) > 0))
    seen <- drawn$layers[[2]]$data
    expect_identical(sort(unique(seen$dose)), c(0.25, 0.5, 1))
    cells <- up & sce$dose == "0.5"
    gene <- levels(drawn$data$gene)[1]
    counts <- as.matrix(SummarizedExperiment::assay(sce, "counts")[, cells])
    want <- mean(log1p(1e4 * counts[gene, ] / colSums(counts)))
    expect_equal(seen$observed[seen$gene == gene & seen$dose == 0.5], want)
    ask <- function(...) {
        plotDoseResponse(sce, model, condition = "condition",
                         from = "condition1", to = "condition2", ...)
    }
    expect_error(ask(doses = c(-1, 1)), class = "bad_dose")
    expect_error(ask(genes = "nope"), class = "missing_genes")
    expect_error(
        plotDoseResponse(sce, modelOfMock(), condition = "condition",
                         from = "condition1", to = "condition2"),
        "no doses", class = "waddington_InputError"
    )
})

test_that("a path leads through a generator, which has no encoder", {
    skip_if_no_python()
    sce <- mockCells()
    model <- trained("generator", trainGAN(
        sce, recipe = wgan(n_latent = 8, generator = c(64, 64),
                           critic = c(64, 64), learning_rate = 5e-3),
        epochs = 120, seed = 1
    ))
    path <- interpolateCells(
        sce, model, "type1", "type2", label = "cell_type", steps = 3
    )
    expect_identical(dim(path), c(nrow(sce), 3L))
    expect_true(all(attr(path, "novelty") >= 0 & attr(path, "novelty") <= 1))
    counts <- as.matrix(SummarizedExperiment::assay(sce, "counts"))
    marks <- SummarizedExperiment::rowData(sce)$marker_of
    share <- function(step, type) {
        sum(path[which(marks == type), step]) / sum(path[, step])
    }
    expect_gt(share(1, "type1"), 1.3 * share(3, "type1"))
    expect_gt(share(3, "type2"), 1.3 * share(1, "type2"))
    expect_error(traverseLatent(sce, model, 2), "no encoder")
})
