ns <- asNamespace("waddington")

test_that("a recipe is a name and arguments, and prints them", {
    recipe <- scvi(batch = "donor", n_latent = 20)
    expect_s3_class(recipe, "waddington_recipe")
    expect_identical(recipe$changed, c("batch", "n_latent"))
    expect_identical(
        format(recipe), "scvi(batch = \"donor\", n_latent = 20)"
    )
    expect_output(print(recipe), "<recipe> scvi\\(batch")
    expect_output(print(recipe), "defaults: .*n_hidden = 128")
    expect_identical(scvi()$changed, character(0))
})

test_that("arguments go to JSON as R's values are meant", {
    json <- ns$.recipeArguments(vae(n_latent = 3, hidden = c(64, 32)))
    got <- jsonlite::fromJSON(json)
    expect_identical(got$n_latent, 3L)
    expect_identical(got$hidden, c(64L, 32L))
    expect_null(got$epochs)
    expect_match(json, "\"epochs\": null", fixed = TRUE)
    tiny <- jsonlite::fromJSON(
        ns$.recipeArguments(vae(learning_rate = 1.25e-5))
    )
    expect_identical(tiny$learning_rate, 1.25e-5)
})

test_that("arguments of the call fill those of the recipe", {
    filled <- ns$.fillRecipe(scvi(n_latent = 4), list(batch = "donor"), NULL)
    expect_identical(filled$args$batch, "donor")
    expect_identical(filled$args$n_latent, 4)
    expect_error(
        ns$.fillRecipe(scvi(batch = "a"), list(batch = "b"), NULL),
        "given twice"
    )
    expect_error(
        ns$.fillRecipe(vae(), list(batch = "b"), NULL), "no argument `batch`",
        class = "unknown_argument"
    )
})

test_that("what is no recipe is refused with the remedy", {
    expect_error(ns$.checkRecipe(scvi, NULL), "parentheses")
    expect_error(ns$.checkRecipe("scvi", NULL), class = "not_a_recipe")
})

test_that("the core resolves every recipe", {
    skip_if_no_python()
    for (recipe in list(
        autoencoder(), vae(), exercise_vae(), cvae(), scvi(), linear_scvi(),
        wgan()
    )) {
        tree <- jsonlite::fromJSON(
            ns$.recipeTree(recipe), simplifyVector = FALSE
        )
        expect_identical(tree$part, "Recipe")
        expect_identical(tree$name, recipe$name)
    }
    expect_error(
        ns$.recipeTree(vae(likelihood = "nope")), "nope",
        class = "waddington_InputError"
    )
})

test_that("R/recipes.R is what the Python recipes generate", {
    root <- testthat::test_path("..", "..")
    script <- file.path(root, "inst", "scripts", "make-recipes.py")
    skip_if_not(file.exists(script), "not in a source tree")
    skip_if_no_python()
    python <- waddingtonStatus()$python
    out <- ns$.runPython(python, c(script, "--check"))
    expect_identical(attr(out, "status"), 0L, info = paste(out))
})
