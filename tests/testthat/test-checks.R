ns <- asNamespace("waddington")
call <- quote(verb())

test_that("numbers are checked and coerced", {
    expect_identical(ns$.checkWhole(3, "epochs", call), 3L)
    expect_null(ns$.checkWhole(NULL, "epochs", call))
    for (bad in list(0, 2.5, NA, "3", c(1, 2), Inf, 2^31)) {
        expect_error(
            ns$.checkWhole(bad, "epochs", call), "`epochs` must be one whole",
            class = "waddington_InputError"
        )
    }
    expect_identical(ns$.checkNumber(1L, "rate", call), 1)
    expect_error(ns$.checkNumber(0, "rate", call), "`rate` must be .* above 0")
    expect_error(ns$.checkNumber(2, "rate", call, most = 1), "in \\(0, 1\\]")
    expect_error(ns$.checkHeldOut(1, call), "from 0 to below 1")
    expect_identical(ns$.checkHeldOut(0, call), 0)
})

test_that("errors carry the call that the user typed", {
    e <- expect_error(ns$.checkWhole(0, "epochs", quote(trainVAE(sce))))
    expect_identical(conditionCall(e), quote(trainVAE(sce)))
    expect_s3_class(e, "waddington_error")
})

test_that("a misspelt argument is found and the near one named", {
    known <- c("epochs", "batch_size")
    expect_error(
        ns$.checkDots(epoch = 3, .known = known, .call = call),
        "Did you mean `epochs`", class = "unknown_argument"
    )
    expect_error(
        ns$.checkDots(3, .known = known, .call = call), "by name",
        class = "unknown_argument"
    )
    expect_silent(ns$.checkDots(.known = known, .call = call))
    expect_identical(ns$.nearest("zebra", known), character(0))
})

test_that("seed = NULL asks R's generator, which set.seed governs", {
    set.seed(7)
    a <- ns$.checkSeed(NULL, call)
    b <- ns$.checkSeed(NULL, call)
    set.seed(7)
    expect_identical(ns$.checkSeed(NULL, call), a)
    expect_false(a == b)
    expect_type(a, "integer")
    expect_identical(ns$.checkSeed(5, call), 5L)
    expect_error(ns$.checkSeed(-1, call), "`seed`")
})

test_that("a matrix of counts needs genes with names of their own", {
    x <- matrix(1, 2, 3, dimnames = list(c("a", "b"), NULL))
    expect_silent(ns$.checkCounts(x, call))
    twice <- x
    rownames(twice) <- c("a", "a")
    expect_error(ns$.checkCounts(twice, call), class = "duplicated_genes")
    expect_error(
        ns$.checkCounts(unname(x), call), "row names", class = "unnamed_genes"
    )
    blank <- x
    rownames(blank) <- c("a", "")
    expect_error(ns$.checkCounts(blank, call), class = "unnamed_genes")
    expect_error(ns$.checkCounts(x[0, ], call), class = "empty")
    expect_error(ns$.checkCounts(x[, 0], call), class = "empty")
    expect_error(ns$.checkCounts(1:3, call), class = "not_a_matrix")
    expect_error(ns$.checkCounts(NULL, call), class = "not_a_matrix")
})

test_that("columns are found, and what is there is listed", {
    sce <- mockCells(20, 10)
    got <- ns$.roles(sce, "batch", NULL, NULL, call)
    expect_identical(got$roles, list(batch = "batch"))
    expect_identical(got$values$batch, sce$batch)
    expect_error(
        ns$.roles(sce, "bath", NULL, NULL, call), "Did you mean \"batch\"",
        class = "unknown_column"
    )
    expect_error(
        ns$.roles(sce, "donor", NULL, NULL, call), "cell_type",
        class = "unknown_column"
    )
    several <- ns$.roles(sce, c("batch", "condition"), NULL, NULL, call)
    expect_identical(several$roles$batch, c("batch", "condition"))
    given <- ns$.roles(sce, rep(c("a", "b"), 10), NULL, NULL, call)
    expect_identical(given$values$batch, rep(c("a", "b"), 10))
    expect_error(
        ns$.roles(SummarizedExperiment::assay(sce), "batch", NULL, NULL, call),
        "is a matrix", class = "wrong_length"
    )
    renamed <- ns$.moreColumns(sce, c(donor = "batch"), call)
    expect_identical(renamed, list(donor = sce$batch))
})

test_that("missing values and wrong lengths are refused by name", {
    expect_error(
        ns$.checkCovariate(c("a", NA, ""), 3, "donor", call),
        "`donor` is not known for 2 of 3", class = "missing_value"
    )
    expect_error(
        ns$.checkCovariate(c("a", "b"), 3, "donor", call),
        "one value for each of 3", class = "wrong_length"
    )
    expect_error(
        ns$.checkReal(c("a", "b"), 2, "age", call), class = "not_numeric"
    )
    expect_error(
        ns$.checkReal(c(1, Inf), 2, "age", call), class = "not_numeric"
    )
    labels <- ns$.checkLabels(c("a", NA), 2, "type", call)
    expect_identical(labels, c("a", NA))
    expect_error(
        ns$.checkLabels(c(NA, NA), 2, "type", call), class = "missing_value"
    )
})

test_that("an unknown assay is refused and the known ones are listed", {
    sce <- mockCells(20, 10)
    expect_error(
        ns$.assayOf(sce, "count", call), "\"counts\"", class = "unknown_assay"
    )
})

test_that("what is said of each of several is heard once", {
    said <- capture_warnings(
        made <- .warnOnce(lapply(1:3, function(i) {
            warning("the same")
            if (i == 2) warning("another")
            i
        }))
    )
    expect_identical(said, c("the same", "another"))
    expect_identical(made, list(1L, 2L, 3L))
})
