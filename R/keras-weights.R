# The weights of layers: arrays that live with the layer, whichever models it
# is part of.

# Weights by layer, for the core; only of layers that have some.
.weightsOf <- function(layers) {
    found <- lapply(layers, function(layer) {
        weights <- layer$weights %||% .startingWeights(layer)
        lapply(weights, function(x) reticulate::np_array(x, "float32"))
    })
    found <- found[lengths(found) > 0L]
    if (length(found)) found else reticulate::dict()
}

.startingWeights <- function(layer) {
    if (layer$type != "free") return(NULL)
    list(bias = as.array(rep(layer$args$start, layer$args$n)))
}

.keepWeights <- function(layers, weights) {
    for (name in names(weights)) {
        if (length(weights[[name]])) {
            layers[[name]]$weights <- lapply(weights[[name]], as.array)
        }
    }
}

# Gives random weights to layers of a graph that have none yet.
.ensureWeights <- function(graph, call) {
    .callsForWeights <- vapply(
        graph$layers, function(x) is.null(x$weights) && .learns(x), NA
    )
    if (any(.callsForWeights)) {
        .keepWeights(graph$layers, .callKeras(
            "initial", .json(graph$part), .weightsOf(graph$layers),
            .newSeed(),
            call = call
        ))
    }
    invisible(graph)
}

.learns <- function(layer) {
    layer$type %in% c(
        "dense", "masked_dense", "batch_normalization",
        "layer_normalization", "free"
    )
}

#' The weights of a model
#'
#' All numbers of a model, or of a layer, as arrays; and other numbers in their
#' place.
#'
#' @md
#' @param object A model or a layer.
#' @param weights A list of arrays, as `get_weights()` returns it.
#' @return `get_weights()` a list of arrays, in the order of the layers; the
#'   kernel of a dense layer is a matrix of inputs x outputs. `set_weights()`
#'   `object`, invisibly, which has changed.
#' @examplesIf waddington::waddingtonAvailable()
#' model <- keras_model_sequential(input_shape = 3) %>%
#'     layer_dense(units = 2)
#' lapply(get_weights(model), dim)
#' set_weights(model, list(matrix(1, 3, 2), c(0, 0)))
#' predict(model, diag(3))
#' @export
get_weights <- function(object) {
    layers <- .learnersIn(object, quote(get_weights()))
    unlist(
        unname(lapply(layers, function(x) unname(x$weights))),
        recursive = FALSE
    )
}

#' @export
#' @rdname get_weights
set_weights <- function(object, weights) {
    call <- quote(set_weights())
    layers <- .learnersIn(object, call)
    wanted <- sum(vapply(layers, function(x) length(x$weights), 0L))
    if (!is.list(weights) || length(weights) != wanted) {
        .abort(
            "{.arg weights} must be a list of {wanted} array{?s}, not of
             {length(weights)}.",
            call = call
        )
    }
    done <- 0L
    for (layer in layers) {
        own <- layer$weights
        for (i in seq_along(own)) {
            value <- weights[[done + i]]
            if (length(value) != length(own[[i]])) {
                .abort(
                    "{.val {names(own)[i]}} of layer {.val {layer$name}} has
                     {length(own[[i]])} numbers, and {.arg weights} has
                     {length(value)} in its place.",
                    class = "shape_mismatch", call = call
                )
            }
            own[[i]] <- array(as.numeric(value), dim(own[[i]]))
        }
        layer$weights <- own
        done <- done + length(own)
    }
    invisible(object)
}

# Layers with weights, which they get now if they have none.
.learnersIn <- function(object, call) {
    if (.isLayer(object)) {
        if (is.null(object$weights) && .learns(object)) {
            .abort(c(
                "Layer {.val {object$name}} has no weights yet.",
                i = "They come with its first model."
            ), call = call)
        }
        return(list(object))
    }
    .checkBuilt(object, call)
    .ensureWeights(.graphOf(.inputsOf(object), .outputsOf(object)), call)
    Filter(.learns, object$layers)
}

#' Keep the weights of a model in a file
#'
#' Writes the weights of a model to a file, and reads them into a model that is
#' built alike. (`saveRDS()` keeps a model as a whole.)
#'
#' @md
#' @param object A model.
#' @param filepath The file.
#' @param overwrite Whether a file of that name is replaced.
#'
#' @return `object`, invisibly. Loading changes it.
#'
#' @details
#' `save_model_weights()` writes an R file, `save_model_weights_hdf5()` an HDF5
#' file that Keras 2 reads too; `load_model_weights_hdf5()` reads the weights of
#' a model that was trained with Keras 2, layer by layer in their order.
#' @examplesIf waddington::waddingtonAvailable()
#' model <- keras_model_sequential(input_shape = 3) %>%
#'     layer_dense(units = 2)
#' file <- tempfile()
#' save_model_weights(model, file)
#' load_model_weights(model, file)
#' @export
save_model_weights <- function(object, filepath, overwrite = TRUE) {
    call <- quote(save_model_weights())
    .checkNewFile(filepath, overwrite, call)
    layers <- .learnersIn(object, call)
    weights <- lapply(layers, `[[`, "weights")
    names(weights) <- vapply(layers, `[[`, "", "name")
    saveRDS(list(format = "waddington weights", weights = weights), filepath)
    invisible(object)
}

.checkNewFile <- function(filepath, overwrite, call) {
    if (!rlang::is_string(filepath)) {
        .abort("{.arg filepath} must be one string.", call = call)
    }
    if (file.exists(filepath) && !isTRUE(overwrite)) {
        .abort(c(
            "{.file {filepath}} exists.",
            i = "Say {.code overwrite = TRUE} to replace it."
        ), call = call)
    }
}

#' @export
#' @rdname save_model_weights
load_model_weights <- function(object, filepath) {
    call <- quote(load_model_weights())
    .checkFile(filepath, call)
    stored <- tryCatch(readRDS(filepath), error = function(e) NULL)
    if (!is.list(stored) ||
        !identical(stored$format, "waddington weights")) {
        .abort(c(
            "{.file {filepath}} has no weights of
             {.fn save_model_weights}.",
            i = "HDF5 files are read by {.fn load_model_weights_hdf5}."
        ), call = call)
    }
    set_weights(object, unlist(unname(stored$weights), recursive = FALSE))
}

.checkFile <- function(filepath, call) {
    if (!rlang::is_string(filepath) || !file.exists(filepath)) {
        .abort("There is no file {.file {filepath}}.", call = call)
    }
}

#' @export
#' @rdname save_model_weights
save_model_weights_hdf5 <- function(object, filepath, overwrite = TRUE) {
    call <- quote(save_model_weights_hdf5())
    .checkNewFile(filepath, overwrite, call)
    layers <- .learnersIn(object, call)
    names(layers) <- vapply(layers, `[[`, "", "name")
    .callKeras(
        "write_hdf5", path.expand(filepath), as.list(names(layers)),
        .weightsOf(layers),
        call = call
    )
    invisible(object)
}

#' @export
#' @rdname save_model_weights
load_model_weights_hdf5 <- function(object, filepath) {
    call <- quote(load_model_weights_hdf5())
    .checkFile(filepath, call)
    set_weights(
        object, .callKeras("read_hdf5", path.expand(filepath), call = call)
    )
}
