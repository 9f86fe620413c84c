# Tests that need Python skip where there is none; CI makes sure there is.
skip_if_no_python <- function() {
    testthat::skip_if_not(
        waddingtonAvailable(), "no Python with torch; see waddingtonStatus()"
    )
}

# Models that many tests ask; each is trained once.
.models <- new.env(parent = emptyenv())

trained <- function(name, code) {
    if (is.null(.models[[name]])) {
        .models[[name]] <- suppressWarnings(code)
    }
    .models[[name]]
}

# scvi() with a batch, on mockCells().
modelOfMock <- function() {
    skip_if_no_python()
    trained("scvi", trainVAE(
        mockCells(), batch = "batch", epochs = 30, seed = 1
    ))
}

# cvae() of the condition, on mockCells().
modelOfConditions <- function() {
    skip_if_no_python()
    trained("cvae", trainVAE(
        mockCells(), condition = "condition", epochs = 30, seed = 1
    ))
}

# Another function in the place of an internal one, for the rest of a test.
local_internal <- function(name, value, frame = parent.frame()) {
    own <- get(name, asNamespace("waddington"))
    utils::assignInNamespace(name, value, "waddington")
    withr::defer(utils::assignInNamespace(name, own, "waddington"), frame)
}
