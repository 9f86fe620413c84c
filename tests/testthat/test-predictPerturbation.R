# Predictions in the words of R: combinations, doses, ensembles, bad input.

# mockCells() with perturbations A, B and both, which raise half of the genes
# that respond each.
twoPerturbations <- function() {
    sce <- mockCells(600, n_conditions = 4)
    state <- c("control", "A", "B", "A+B")[as.integer(sce$condition)]
    responds <- which(SummarizedExperiment::rowData(sce)$responds)
    mean <- SummarizedExperiment::assay(sce, "mean")
    moved <- state != "control"
    mean[responds, moved] <- mean[responds, moved] / 3
    for (k in 1:2) {
        has <- grepl(c("A", "B")[k], state)
        genes <- responds[(k - 1) * 5 + 1:5]
        mean[genes, has] <- mean[genes, has] * 4
    }
    counts <- withr::with_seed(
        1, stats::rnbinom(length(mean), mu = mean, size = 5)
    )
    counts <- array(as.numeric(counts), dim(mean), dimnames(mean))
    SummarizedExperiment::assay(sce, "counts") <-
        methods::as(counts, "CsparseMatrix")
    sce$state <- factor(state)
    sce$given <- strsplit(sub("control", "", state), "+", fixed = TRUE)
    sce$design <- cbind(A = grepl("A", state) + 0, B = grepl("B", state) + 0)
    sce
}

modelOfTwo <- function(column = "state") {
    skip_if_no_python()
    sce <- twoPerturbations()
    trained(paste("cpa", column), trainVAE(
        sce[, sce$state != "A+B"], recipe = cpa(perturbation = column),
        epochs = 20, seed = 1
    ))
}

aboutOf <- function(pred) S4Vectors::metadata(pred)$perturbation

test_that("a combination is predicted from its parts, however written down", {
    sce <- twoPerturbations()
    made <- lapply(c("state", "given", "design"), function(column) {
        predictPerturbation(
            sce, modelOfTwo(column), condition = column, from = "control",
            to = "A+B", seed = 1
        )
    })
    expect_identical(unname(made[[1]]$state[1]), factor(
        "A+B", levels(sce$state)
    ))
    values <- lapply(made, SummarizedExperiment::assay)
    expect_equal(values[[1]], values[[2]])
    expect_equal(values[[1]], values[[3]])
    expect_identical(ncol(made[[1]]), sum(sce$state == "control"))
    shifts <- aboutOf(made[[1]])$shifts
    expect_identical(names(shifts)[-1], c(
        "control + sum of shifts", "control + mean of shifts"
    ))
    expect_equal(shifts[[2]], 2 * shifts[[3]])
    responds <- SummarizedExperiment::rowData(sce)$responds
    profiles <- aboutOf(made[[1]])$profiles
    up <- profiles$predicted - profiles$control
    expect_gt(min(up[responds]), 0.5)
    expect_lt(max(up[!responds]), 0.4)
})

test_that("cells that had the combination have no part in its prediction", {
    sce <- twoPerturbations()
    ask <- function(x) {
        SummarizedExperiment::assay(predictPerturbation(
            x, modelOfTwo(), condition = "state", from = "control",
            to = "A+B", seed = 1
        ))
    }
    expect_identical(ask(sce), ask(sce[, sce$state != "A+B"]))
})

test_that("halves of the control cells that predict again score less", {
    sce <- twoPerturbations()
    model <- modelOfTwo()
    pred <- predictPerturbation(
        sce, model, condition = "state", from = "control", to = "A+B",
        seed = 1
    )
    expect_message(
        flattered <- evaluatePerturbation(pred, sce, n_top = 10, splits = 5),
        "flatters"
    )
    expect_silent(honest <- evaluatePerturbation(
        pred, sce, model, n_top = 10, splits = 5
    ))
    expect_identical(honest$by, flattered$by)
    sum <- honest$by == "control + sum of shifts"
    expect_lt(honest$r2_change[sum], flattered$r2_change[sum])
    expect_error(
        evaluatePerturbation(pred, sce[, -match(colnames(pred)[1],
            colnames(sce))], model),
        class = "missing_cells"
    )
})

test_that("doses are numbers or text, and more does more", {
    sce <- twoPerturbations()
    sce$dose <- perturbationLevels(sce$design)$dose
    model <- trained("dosed", trainVAE(
        sce[, sce$state != "A+B"],
        recipe = cpa(perturbation = "state", dose = "dose"), epochs = 20,
        seed = 1
    ))
    ask <- function(dose, to = "A") {
        predictPerturbation(
            sce, model, condition = "state", from = "control", to = to,
            dose = dose, seed = 1
        )
    }
    a <- which(SummarizedExperiment::rowData(sce)$responds)[1:5]
    up <- function(dose) {
        profiles <- aboutOf(ask(dose))$profiles
        mean((profiles$predicted - profiles$control)[a])
    }
    expect_gt(up(1), up(0.2))
    expect_identical(aboutOf(ask(0.5))$dose, "0.5")
    expect_identical(aboutOf(ask(c(1, 0.5), "A+B"))$dose, "1+0.5")
    for (bad in list("much", -1, "1+")) {
        expect_error(ask(bad), "can't be read|numbers",
                     class = "waddington_InputError")
    }
    expect_error(ask(NA), class = "waddington_InputError")
    expect_error(
        predictPerturbation(
            sce, modelOfTwo(), condition = "state", from = "control",
            to = "A", dose = 1
        ), "no doses", class = "waddington_InputError"
    )
    sce$dose <- factor(ifelse(sce$state == "A", "much", "1"))
    expect_error(
        trainVAE(sce, recipe = cpa(perturbation = "state", dose = "dose"),
                 epochs = 1),
        "can't be read", class = "waddington_InputError"
    )
})

test_that("several models and draws say how sure a prediction is", {
    sce <- mockCells(400)
    skip_if_no_python()
    models <- lapply(1:2, function(seed) {
        trained(paste("member", seed), trainVAE(
            sce, condition = "condition", epochs = 10, seed = seed
        ))
    })
    pred <- predictPerturbation(
        sce, models, from = "condition1", to = "condition2",
        method = "condition", n_draws = 3, seed = 1
    )
    about <- aboutOf(pred)
    expect_identical(
        names(about$sd), c("gene", "posterior", "ensemble", "total")
    )
    expect_equal(
        about$sd$total, sqrt(about$sd$posterior^2 + about$sd$ensemble^2),
        tolerance = 1e-5
    )
    expect_identical(about$recipe, "cvae x 2")
    expect_output(print(about), "cvae x 2, by condition")
})

test_that("nothing is predicted where nothing is beyond noise", {
    sce <- mockCells(300)
    skip_if_no_python()
    sce$label <- withr::with_seed(
        1, sample(c("a", "b"), ncol(sce), replace = TRUE)
    )
    expect_warning(
        pred <- predictPerturbation(
            sce, modelOfMock(), condition = "label", from = "a", to = "b"
        ), "no effect beyond control noise"
    )
    about <- aboutOf(pred)
    expect_gt(about$chance, 0.05)
    expect_equal(about$profiles$predicted, about$profiles$control)
    expect_identical(about$trust, 0)
})

test_that("questions that have no answer are refused by name", {
    sce <- mockCells(200)
    model <- modelOfMock()
    ask <- function(x = sce, m = model, condition = "condition",
                    from = "condition1", to = "condition2", ...) {
        predictPerturbation(
            x, m, condition = condition, from = from, to = to, ...
        )
    }
    expect_error(ask(to = "nope"), "condition1", class = "unseen_level")
    expect_error(ask(to = "condition2+nope"), "there is no",
                 class = "unseen_level")
    expect_error(ask(from = "nope"), class = "unseen_level")
    expect_error(ask(from = c("condition1", "condition2")),
                 class = "unseen_level")
    expect_error(ask(to = "condition1"), class = "same_level")
    expect_error(ask(target = "type1"), class = "no_cell_type")
    expect_error(ask(cell_type = "cell_type", target = "nope"),
                 class = "unseen_level")
    expect_error(ask(condition = "nope"), class = "unknown_column")
    gone <- sce$cell_type == "type1" & sce$condition == "condition1"
    expect_error(
        ask(sce[, !gone], cell_type = "cell_type", target = "type1"),
        "no cells in 'condition1'", class = "waddington_InputError"
    )
    alone <- sce[, sce$cell_type == "type1" | sce$condition == "condition1"]
    expect_error(
        ask(alone, cell_type = "cell_type", target = "type1"),
        "nothing to learn", class = "waddington_InputError"
    )
    sce$condition[3] <- NA
    expect_error(ask(sce), "1 of 200", class = "missing_value")
    expect_error(ask(m = list()), class = "not_a_model")
    expect_error(ask(m = list(model, 1)), class = "not_a_model")
    expect_error(ask(m = 1), class = "not_a_model")
    expect_error(ask(trust = 2), "trust")
    expect_error(ask(n_draws = -1), "n_draws")
    expect_error(ask(draw = NA), "draw")
    expect_error(ask(method = "magic"), "method")
})

test_that("a type that the model reads and never saw is refused", {
    sce <- mockCells(200)
    skip_if_no_python()
    model <- trained("typed cpa", trainVAE(
        sce[, sce$cell_type != "type1"], recipe = cpa(
            "condition", control = "condition1", covariates = "cell_type"
        ), epochs = 2, seed = 1
    ))
    expect_error(
        predictPerturbation(
            sce, model, condition = "condition", from = "condition1",
            to = "condition2", cell_type = "cell_type", target = "type1"
        ), "type1", class = "unseen_level"
    )
})

test_that("a recipe that can't says which can", {
    sce <- mockCells(80, 20)
    skip_if_no_python()
    scvi <- trained("small scvi", trainVAE(
        sce, batch = "batch", epochs = 2, seed = 1
    ))
    expect_error(
        predictPerturbation(
            sce, scvi, condition = "condition", from = "condition1",
            to = "condition2", method = "condition"
        ), "train cvae", class = "waddington_InputError"
    )
})

test_that("one cell per group is enough to ask and too few to score", {
    sce <- mockCells(200)
    model <- modelOfMock()
    one <- sce[, c(
        which(sce$condition == "condition1")[1],
        which(sce$condition == "condition2")[1]
    )]
    pred <- suppressWarnings(predictPerturbation(
        one, model, condition = "condition", from = "condition1",
        to = "condition2", seed = 1
    ))
    expect_identical(ncol(pred), 1L)
    expect_true(all(is.finite(SummarizedExperiment::assay(pred))))
    expect_error(
        evaluatePerturbation(pred, one, model), "at least 4",
        class = "waddington_InputError"
    )
})

test_that("a perturbation that no cell had is predicted from its neighbours", {
    sce <- twoPerturbations()
    sce <- sce[, sce$state %in% c("control", "A", "B")]
    skip_if_no_python()
    model <- trained("graph", trainVAE(
        sce, recipe = cpa("state", graph = list(c("C", "A"))), epochs = 15,
        seed = 1
    ))
    ask <- function(to) {
        predictPerturbation(
            sce, model, condition = "state", from = "control", to = to,
            seed = 1
        )
    }
    pred <- ask("C")
    expect_true(all(pred$state == "C"))
    profiles <- aboutOf(pred)$profiles
    responds <- which(SummarizedExperiment::rowData(sce)$responds)
    up <- profiles$predicted - profiles$control
    expect_gt(mean(up[responds[1:5]]), mean(up[responds[6:10]]))
    expect_error(ask("D"), "\"C\"", class = "unseen_level")
})

test_that("a generator predicts by inversion, and says that it must", {
    sce <- mockCells(200, 50)
    skip_if_no_python()
    model <- trained("gan", trainGAN(sce, epochs = 5, seed = 1))
    ask <- function(...) {
        suppressWarnings(predictPerturbation(
            sce, model, condition = "condition", from = "condition1",
            to = "condition2", cell_type = "cell_type", target = "type1",
            seed = 1, ...
        ))
    }
    pred <- ask()
    expect_identical(aboutOf(pred)$method, "inversion")
    expect_true("unchanged" %in% SummarizedExperiment::assayNames(pred))
    scores <- evaluatePerturbation(pred, sce, n_top = 10)
    expect_identical(scores$by[1:2], c("wgan", "no shift"))
    expect_error(ask(method = "shift"), "inversion",
                 class = "waddington_InputError")
})

test_that("a batch is not taken for the condition", {
    x <- mockCells()
    ask <- function(model) {
        predictPerturbation(x, model, from = "condition1", to = "condition2")
    }
    expect_error(ask(modelOfMock()), "Name the column, as in `condition =",
                 class = "unknown_covariate")
    told <- suppressWarnings(
        trainVAE(x, scvi(batch = "batch"), epochs = 1, seed = 1)
    )
    expect_error(ask(told), class = "unknown_covariate")
    expect_identical(told@record$roles$batch, "batch")
    drugs <- suppressWarnings(
        trainVAE(x, cpa(control = "condition1"), epochs = 1, seed = 1)
    )
    expect_identical(drugs@record$roles$condition, "condition")
})

test_that("doses that can't be read and recipes that can't are told", {
    x <- mockCells()
    x$dose <- ifelse(x$condition == "condition1", "0", "1")
    drugs <- suppressWarnings(trainVAE(
        x, cpa(control = "condition1", dose = "dose"), epochs = 1, seed = 1
    ))
    ask <- function(model, ...) {
        suppressWarnings(predictPerturbation(
            x, model, "condition", from = "condition1", to = "condition2", ...
        ))
    }
    expect_error(ask(drugs, dose = "high"), "dose 'high' can't be read",
                 class = "waddington_InputError")
    expect_error(ask(drugs, dose = c(1, 2)), "has 2 numbers; it needs 1",
                 class = "waddington_InputError")
    expect_error(ask(modelOfMock(), dose = 1), "train cpa\\(dose=\\)",
                 class = "waddington_InputError")
    generator <- trainGAN(x, epochs = 1, seed = 1)
    expect_error(getLatent(x, generator),
                 "getLatent\\(\\) can't be asked.*scvi\\(\\), cvae\\(\\)",
                 class = "waddington_InputError")
    said <- capture_warnings(
        trainVAE(x, cpa(control = "ctrl"), epochs = 1, seed = 1)
    )
    expect_match(said[1L], "no level 'ctrl', which was to be the control")
})
