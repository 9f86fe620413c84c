ns <- asNamespace("waddington")

test_that("covariates that are numbers are shown beside levels", {
    skip_if_no_python()
    sce <- mockCells()
    sce$percent <- seq_len(ncol(sce)) / ncol(sce)
    both <- suppressWarnings(trainVAE(
        sce, batch = "batch", covariates = "percent", epochs = 1, seed = 1
    ))
    expect_output(show(both), "batch1, batch2), percent (numbers)",
                  fixed = TRUE)
    one <- suppressWarnings(trainVAE(
        sce, covariates = "percent", epochs = 1, seed = 1
    ))
    expect_output(show(one), "covariates  percent (numbers)", fixed = TRUE)
})

test_that("an interrupt keeps the best state and says so", {
    skip_if_no_python()
    sce <- mockCells(60, 20)
    steps <- 0L
    local_internal(".advance", function(trainer, call) {
        steps <<- steps + 1L
        if (steps == 3L) rlang::interrupt()
        ns$.callBridge("advance", trainer, 1e-9, call = call)
    })
    expect_message(
        model <- suppressWarnings(
            trainVAE(sce, epochs = 50, seed = 1, verbose = FALSE)
        ),
        "interrupted after"
    )
    expect_match(model@record$why, "interrupted by the user")
    expect_match(capture.output(model)[6], "interrupted")
    expect_identical(dim(getLatent(sce, model)), c(60L, 10L))
})

test_that("an interrupt that Python caught counts as one", {
    error <- structure(
        class = c("waddington_KeyboardInterrupt", "error", "condition"),
        list(message = "", call = NULL)
    )
    expect_true(ns$.untilInterrupt(stop(error)))
    expect_true(ns$.untilInterrupt(stop("KeyboardInterrupt: ")))
    expect_true(ns$.untilInterrupt(rlang::interrupt()))
    expect_false(ns$.untilInterrupt(NULL))
    expect_error(ns$.untilInterrupt(stop("else")), "else")
})

test_that("verbose = FALSE is silent, TRUE says one thing", {
    skip_if_no_python()
    sce <- mockCells(400, 20)
    expect_silent(
        trainVAE(sce, epochs = 30, seed = 1, held_out = 0, verbose = FALSE)
    )
    said <- capture_messages(
        trainVAE(sce, epochs = 3, seed = 1, held_out = 0, verbose = TRUE)
    )
    expect_length(said, 1L)
    expect_match(said, "Trained 3 epochs")
})

test_that("reports and tests are silent by default", {
    withr::local_envvar(TESTTHAT = "")
    withr::local_options(knitr.in.progress = TRUE)
    expect_false(ns$.isVerbose(NULL))
    expect_true(ns$.isVerbose(TRUE))
    withr::local_options(knitr.in.progress = NULL)
    expect_true(ns$.isVerbose(NULL))
    expect_false(ns$.isVerbose(FALSE))
})

test_that("a report that trains prints nothing", {
    skip_if_no_python()
    skip_if_not_installed("knitr")
    dir <- withr::local_tempdir()
    input <- file.path(dir, "report.Rmd")
    writeLines(c(
        "```{r, echo = FALSE, warning = TRUE}",
        "model <- waddington::trainVAE(waddington::mockCells(400, 20),",
        "    epochs = 30, seed = 1, held_out = 0)",
        "```"
    ), input)
    withr::local_envvar(TESTTHAT = "")
    out <- file.path(dir, "report.md")
    knitr::knit(input, out, quiet = TRUE, envir = new.env())
    expect_identical(trimws(paste(readLines(out), collapse = "")), "")
})

test_that("one can go on from a model", {
    skip_if_no_python()
    sce <- mockCells(200, 20)
    fit <- function(...) {
        suppressWarnings(trainVAE(sce, seed = 1, learning_rate = 1e-8, ...))
    }
    first <- suppressWarnings(trainVAE(sce, seed = 1, epochs = 20))
    more <- fit(epochs = 1, start = first)
    z <- stats::cor(as.vector(getLatent(sce, more)),
                    as.vector(getLatent(sce, first)))
    expect_gt(z, 0.999)
})

test_that("every option of the trainer reaches it", {
    skip_if_no_python()
    sce <- mockCells(100, 20)
    model <- suppressWarnings(trainVAE(
        sce, epochs = 2, batch_size = 50, learning_rate = 5e-4, patience = 7,
        held_out = 0.2, seed = 9, device = "cpu", threads = 1
    ))
    phase <- waddington:::.tree(model)$phases[[1]]
    expect_identical(phase$epochs, 2L)
    expect_identical(phase$batch_size, 50L)
    rates <- suppressWarnings(as.numeric(unlist(phase$optimiser$lr)))
    expect_true(5e-4 %in% rates)  # alone, or the peak of a schedule
    expect_identical(phase$stop$patience, 7L)
    record <- model@record
    expect_identical(record$n_held_out, 20L)
    expect_identical(record$seed, 9L)
    expect_identical(record$threads, 1L)
    expect_identical(record$device, "cpu")
})

test_that("a device that is not there is a warning, an unknown one an error", {
    skip_if_no_python()
    sce <- mockCells(60, 20)
    expect_error(trainVAE(sce, device = "tpu"), "device",
                 class = "waddington_InputError")
    skip_if(reticulate::import("torch")$cuda$is_available())
    expect_warning(
        suppressWarnings(
            trainVAE(sce, epochs = 1, batch_size = 50, device = "cuda"),
            classes = "no_better_than_trivial"
        ),
        "not available"
    )
})

test_that("more than one thread is used where it was asked for", {
    withr::local_envvar(GOMP_SPINCOUNT = NA, OMP_WAIT_POLICY = NA)
    expect_identical(ns$.checkThreads(NULL, NULL), 1L)
    expect_identical(ns$.checkThreads(3, NULL), 3L)
    withr::local_envvar(GOMP_SPINCOUNT = "1000")
    expect_null(ns$.checkThreads(NULL, NULL))
})
