# R's reference BLAS must not take the place of torch's own (see .loadTorch).

# Seconds that this process computes for one matrix product, at best.
product <- paste(
    "import time, torch",
    "torch.set_num_threads(1)",
    "a = torch.ones(256, 1024)",
    "b = torch.ones(1024, 256)",
    "times = []",
    "for trial in range(10):",
    "    start = time.process_time()",
    "    for repeat in range(5): a @ b",
    "    times.append((time.process_time() - start) / 5)",
    "best = min(times)",
    sep = "\n"
)

test_that("matrix products are as fast inside R as outside", {
    skip_if_no_python()
    .bridge()
    inside <- reticulate::py_run_string(product, local = TRUE)$best
    file <- withr::local_tempfile(
        lines = c(product, "print(best)"), fileext = ".py"
    )
    outside <- as.numeric(.runPython(reticulate::py_config()$python, file))
    expect_lt(inside, 5 * outside)
})
