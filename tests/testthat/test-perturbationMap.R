# Perturbations whose likeness is known.

drugs <- function() {
    sce <- mockCells(900, n_conditions = 6)
    drug <- c("none", "up", "weak", "down", "other", "dud")[
        as.integer(sce$condition)
    ]
    responds <- which(SummarizedExperiment::rowData(sce)$responds)
    mean <- SummarizedExperiment::assay(sce, "mean")
    fold <- rbind(
        none = c(0, 0), up = c(1.2, 0), weak = c(0.6, 0), down = c(-1.2, 0),
        other = c(0, 1.3), dud = c(0, 0)
    )[drug, ]
    mean[responds, drug != "none"] <- mean[responds, drug != "none"] / 3
    mean[responds, ] <- mean[responds, ] *
        exp(t(fold[, rep(1:2, each = 5)]))
    counts <- withr::with_seed(
        1, stats::rnbinom(length(mean), mu = mean, size = 5)
    )
    SummarizedExperiment::assay(sce, "counts") <-
        array(as.numeric(counts), dim(mean), dimnames(mean))
    sce$drug <- factor(drug)
    sce$group <- paste(sce$cell_type, drug)
    sce
}

modelOfDrugs <- function(...) {
    skip_if_no_python()
    trained(
        paste("drugs", ...),
        trainVAE(drugs(), ..., epochs = 30, seed = 1)
    )
}

test_that("likeness is that of the truth, in latent space and decoded", {
    for (model in list(modelOfDrugs(), modelOfDrugs(condition = "drug"))) {
        expect_warning(
            map <- perturbationMap(
                drugs(), model, condition = "drug", control = "none",
                cell_type = "cell_type"
            ), "no effect beyond control noise.*'dud'"
        )
        for (cosine in map[c("similarity", "measured")]) {
            expect_identical(
                dimnames(cosine), rep(list(map$perturbations$perturbation), 2)
            )
            expect_gt(cosine["up", "weak"], 0.7)
            expect_lt(cosine["up", "down"], -0.2)
            expect_lt(abs(cosine["up", "other"]), 0.5)
            expect_true(all(is.na(cosine["dud", ])))
        }
        expect_identical(map$perturbations$n_cells, rep(150L, 5))
        expect_identical(
            map$perturbations$perturbation[!map$perturbations$clear], "dud"
        )
    }
    expect_identical(map$space, "decoded")
    expect_identical(dim(map$effects), c(5L, 100L))
})

test_that("the perturbation that was given is found", {
    model <- modelOfDrugs()
    ask <- function(to) {
        suppressWarnings(perturbationMap(
            drugs(), model, condition = "drug", control = "none",
            cell_type = "cell_type", from = "type1 none", to = to,
            label = "group"
        ))
    }
    for (drug in c("up", "other", "down")) {
        targets <- ask(paste("type1", drug))$targets
        kin <- if (drug == "up") c("up", "weak") else drug
        expect_true(targets$perturbation[1] %in% kin)
        expect_gt(targets$covered[1], 0.4)
        expect_gt(targets$measured_cosine[1], 0.8)
        expect_true(is.na(targets$cosine[targets$perturbation == "dud"]))
    }
    sce <- drugs()
    by_index <- suppressWarnings(perturbationMap(
        sce, model, condition = "drug", control = "none",
        cell_type = "cell_type", from = which(sce$group == "type1 none"),
        to = sce$group == "type1 down"
    ))
    expect_identical(by_index$targets, targets)
})

test_that("maps print and plot", {
    model <- modelOfDrugs()
    map <- suppressWarnings(perturbationMap(
        drugs(), model, condition = "drug", control = "none",
        cell_type = "cell_type", from = "type1 none", to = "type1 up",
        label = "group"
    ))
    expect_output(print(map), "Effects of 5 perturbations against none")
    expect_output(print(map), "up .*TRUE +weak 1.00")
    heat <- plot(map, "similarity")
    expect_identical(nrow(heat$data), 32L)
    expect_match(heat$labels$caption, "1 of 5 without an effect")
    dots <- plot(map)
    expect_identical(nrow(dots$data), 8L)
    map$targets <- NULL
    expect_s3_class(plot(map), "ggplot")
    none <- map
    none$similarity[] <- none$measured[] <- NA
    expect_error(plot(none), class = "no_effect")
    expect_error(plot(map, "targets"), class = "no_cells")
})

test_that("what can't be mapped is refused by name", {
    sce <- drugs()
    model <- modelOfDrugs()
    ask <- function(x = sce, ..., control = "none") {
        perturbationMap(x, model, condition = "drug", control = control, ...)
    }
    expect_error(ask(control = "dmso"), "dmso", class = "unseen_level")
    expect_error(ask(cell_type = "nope"), class = "unknown_column")
    expect_error(ask(from = "type1 none"), class = "no_cells")
    expect_error(
        ask(from = "x", to = "type1 up", label = "group"), class = "no_cells"
    )
    expect_error(ask(space = "decoded"), "train cvae",
                 class = "waddington_InputError")
    expect_error(
        ask(sce[, sce$drug == "none"]), "no level",
        class = "waddington_InputError"
    )
    expect_error(perturbationMap(sce, 1, "drug", "none"),
                 class = "not_a_model")
    sce$drug[2] <- NA
    expect_error(ask(sce), class = "missing_value")
})
