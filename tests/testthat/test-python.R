ns <- asNamespace("waddington")

test_that("a Python that reticulate can't run is told apart by version", {
    fault <- function(version, reticulate) {
        ns$.versionFault(version, package_version(reticulate))
    }
    expect_length(fault("3.11.7", "1.28"), 0L)
    expect_match(fault("3.12.1", "1.28")[["x"]], "too new for reticulate 1.28")
    expect_match(fault("3.13.0", "1.38")[["x"]], "too new")
    expect_length(fault("3.13.0", "1.41"), 0L)
    expect_match(fault("3.9.2", "1.41")[["x"]], "too old")
})

test_that("numpy 2 under an old reticulate is refused", {
    fault <- function(numpy, reticulate) {
        ns$.numpyFault(numpy, package_version(reticulate))
    }
    expect_length(fault("1.26.4", "1.28"), 0L)
    expect_match(fault("2.1.0", "1.28")[["i"]], "numpy<2", fixed = TRUE)
    expect_length(fault("2.1.0", "1.38"), 0L)
    expect_length(fault("", "1.28"), 0L)
})

test_that("absent modules are named with the remedy", {
    fault <- ns$.moduleFault(list(torch = "", numpy = "1.26"))
    expect_match(fault[["x"]], "torch")
    expect_false(grepl("numpy", fault[["x"]]))
    expect_length(ns$.moduleFault(list(torch = "2.1")), 0L)
})

test_that("a Python that is not there is an error with a remedy", {
    chosen <- list(python = "/no/such/python", why = "a test")
    expect_error(
        ns$.checkPython(chosen, FALSE, quote(trainVAE())), "does not run",
        class = "no_python"
    )
    expect_error(
        ns$.checkPython(chosen, TRUE, NULL), "restart R", class = "no_python"
    )
})

test_that("a Python that lacks modules is refused by name, with the remedy", {
    python <- Sys.which("python3")
    skip_if_not(nzchar(python))
    local_internal(".probePython", function(python) {
        list(
            version = "3.11.2",
            modules = list(torch = "", numpy = "", sklearn = "")
        )
    })
    expect_error(
        ns$.checkPython(list(python = python, why = "a test"), FALSE, NULL),
        "lacks: torch, numpy, sklearn.*pip install torch numpy scikit-learn",
        class = "no_python"
    )
    faults <- ns$.statusFaults(
        list(python = python), ns$.probePython(python)
    )
    expect_match(faults, "pip install torch", all = FALSE)
})

test_that("another version of the core is an error", {
    expect_error(ns$.checkVersion("0.0.1", NULL), "restart R",
                 class = "no_python")
    own <- as.character(utils::packageVersion("waddington"))
    expect_null(ns$.checkVersion(own, NULL))
})

test_that("the status prints where Python comes from", {
    status <- waddingtonStatus()
    expect_s3_class(status, "waddington_status")
    expect_output(print(status), "chosen by")
    expect_true(dir.exists(file.path(status$core, "waddington")))
    skip_if_no_python()
    expect_output(print(status), "ready  yes")
    expect_true(nzchar(status$packages[["torch"]]))
})

test_that("loading the package starts no Python", {
    code <- paste(
        "suppressPackageStartupMessages(library(waddington));",
        "cat(reticulate::py_available(initialize = FALSE))"
    )
    out <- system2(
        file.path(R.home("bin"), "Rscript"),
        c("-e", shQuote(code)), stdout = TRUE, stderr = TRUE,
        env = paste0("R_LIBS=", shQuote(paste(.libPaths(), collapse = ":")))
    )
    expect_identical(out, "FALSE")
})

test_that("installation asks pip for what is needed", {
    calls <- ns$.pipCalls("cpu", "/some/wheels")
    expect_identical(calls[[1]][1:3], c("--no-index", "--find-links",
                                        "/some/wheels"))
    expect_true(any(startsWith(calls[[1]], "torch")))
    expect_length(ns$.pipCalls("none", NULL), 1L)
    expect_false(any(startsWith(unlist(ns$.pipCalls("none", NULL)), "torch")))
    expect_error(installWaddington(wheels = "/no/such", ask = FALSE,
                                   envdir = tempfile()), class = "no_folder")
    expect_error(installWaddington(python = "/no/such", ask = FALSE,
                                   envdir = tempfile()), class = "no_python")
})

test_that("builds without GPU code come from where the user says", {
    skip_on_os(c("windows", "mac", "solaris"))
    withr::local_options(waddington.torch_index = NULL)
    expect_message(expect_identical(ns$.torchBuild("cpu", NULL), "default"))
    expect_identical(ns$.torchBuild("cpu", "/some/wheels"), "cpu")
    withr::local_options(waddington.torch_index = "file:///some/index")
    expect_identical(ns$.torchBuild("cpu", NULL), "cpu")
    expect_true("file:///some/index" %in% ns$.pipCalls("cpu", NULL)[[1]])
})
