test_that("factors, lists and design matrices say the same", {
    told <- c("A", "A+B", "control", "B")
    listed <- list("A", c("B", "A"), character(0), "B")
    design <- cbind(B = c(0, 1, 0, 1), A = c(1, 1, 0, 0))
    for (given in list(told, factor(told), replace(told, 2, "B+A"))) {
        got <- perturbationLevels(given)
        expect_identical(as.character(got$perturbation), told)
    }
    for (given in list(listed, design, design > 0, as.data.frame(design),
                       S4Vectors::DataFrame(design),
                       IRanges::CharacterList(listed))) {
        got <- perturbationLevels(given)
        expect_identical(as.character(got$perturbation), told)
        expect_identical(as.character(got$dose), c("1", "1+1", "1", "1"))
    }
    expect_identical(levels(perturbationLevels(listed)$perturbation)[1],
                     "control")
    got <- perturbationLevels(design, control = "DMSO")
    expect_identical(as.character(got$perturbation[3]), "DMSO")
})

test_that("doses are in the order of the names", {
    design <- cbind(B = c(0, 0.25, 0), A = c(0.1 + 0.2, 1, 0))
    got <- perturbationLevels(design)
    expect_identical(as.character(got$dose), c("0.3", "1+0.25", "1"))
    got <- perturbationLevels(list(c(B = 2, A = 0.5), c(A = 0)))
    expect_identical(as.character(got$dose), c("0.5+2", "1"))
    expect_identical(
        as.character(got$perturbation), c("A+B", "control")
    )
})

test_that("what can't be read is refused", {
    expect_error(perturbationLevels(list("A", NA)), "1 cell",
                 class = "missing_value")
    expect_error(perturbationLevels(cbind(A = c(1, NA))),
                 class = "missing_value")
    expect_error(perturbationLevels(matrix(1, 2, 2)), "column names",
                 class = "bad_design")
    expect_error(perturbationLevels(cbind(A = "much")), "numbers",
                 class = "bad_design")
    expect_error(perturbationLevels(cbind(A = -1)), "-1",
                 class = "bad_design")
    expect_error(perturbationLevels(list("A+B")), "A\\+B",
                 class = "bad_design")
    expect_error(perturbationLevels(list(c(1, 2))), class = "bad_design")
    expect_error(perturbationLevels(list("A"), control = 1),
                 class = "waddington_InputError")
})

test_that("columns of these kinds are read wherever a column is named", {
    sce <- mockCells(6, 10)
    sce$given <- list("A", "B", character(0), "A", "B", c("A", "B"))
    sce$design <- cbind(A = c(1, 0, 0, 1, 0, 1), B = c(0, 1, 0, 0, 1, 1))
    want <- c("A", "B", "control", "A", "B", "A+B")
    call <- quote(f())
    expect_identical(waddington:::.columnOf(sce, "given", "x", call), want)
    expect_identical(waddington:::.columnOf(sce, "design", "x", call), want)
    expect_identical(
        waddington:::.checkCovariate(sce$given, 6, "given", call), want
    )
    expect_identical(
        waddington:::.columnOf(sce, "batch", "x", call), sce$batch
    )
})
