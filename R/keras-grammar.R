# The Keras grammar: layers, tensors and models, in R alone until fit().
#
# A layer and a model are functions, so that `decoder(z)` applies them, with an
# environment behind them that holds what they are; a tensor is an environment
# too. Environments make the grammar grow in place, and make two models that
# share a layer share its weights. There is no pointer in them: they are
# stored by saveRDS() like anything else.

#' @importFrom magrittr %>%
#' @export
magrittr::`%>%`

#' A model, layer by layer
#'
#' A linear stack of layers, to which the functions called `layer_*` add one
#' after the other.
#'
#' @md
#' @param layers A list of layers, or `NULL` for an empty model.
#' @param name The name of the model, or `NULL` for a numbered one.
#' @param input_shape Number of features of the input, or `NULL` if the first
#'   layer says so, or the data shall.
#'
#' @return A model of class `waddington_sequential`. It is a function too:
#'   `model(x)` of a tensor `x` of \code{\link{layer_input}} is a tensor.
#'
#' @details
#' As in Keras, and unlike anything else in R, the model *grows in place*:
#' `model %>% layer_dense(10)` changes `model`, and needs no assignment. It is
#' plain R: Python starts with \code{\link{fit}}, and `saveRDS()` keeps a
#' model, trained or not.
#'
#' If package keras or keras3 is attached after this one, its functions of the
#' same names come first; say `waddington::keras_model_sequential()`, or
#' `sequentialModel()`, which is the same.
#'
#' @seealso \code{\link{keras_model}} for models that aren't a line,
#'   \code{\link{layer_dense}} for the layers.
#' @examples
#' model <- keras_model_sequential()
#' model %>%
#'     layer_dense(units = 784, input_shape = 784, activation = "relu") %>%
#'     layer_dropout(rate = 0.4) %>%
#'     layer_dense(units = 10, activation = "softmax")
#' summary(model)
#' @export
keras_model_sequential <- function(
        layers = NULL, name = NULL, input_shape = NULL) {
    model <- .newModel(
        "waddington_sequential", name %||% .autoName("sequential")
    )
    environment(model)$layers <- list()
    environment(model)$input_shape <- .asShape(input_shape, "input_shape")
    for (layer in .asList(layers)) .addLayer(model, layer)
    model
}

#' @export
#' @rdname keras_model_sequential
sequentialModel <- keras_model_sequential

#' A model from tensors
#'
#' What lies between some tensors and others, as a model: of several inputs or
#' outputs, with branches and with shared layers, or a part of another model.
#'
#' @md
#' @param inputs A tensor of \code{\link{layer_input}}, or a list of them.
#' @param outputs A tensor that was made of them, or a list of them.
#' @param name The name of the model, or `NULL` for a numbered one.
#'
#' @return A model of class `waddington_functional`.
#'
#' @details
#' Layers belong to no model. Two models in which a layer occurs share its
#' weights: train an autoencoder, and the model from its input to its
#' bottleneck is a trained encoder.
#'
#' @examples
#' x <- layer_input(shape = 20)
#' z <- x %>% layer_dense(8, activation = "elu") %>% layer_dense(2)
#' decoder <- keras_model_sequential() %>%
#'     layer_dense(8, activation = "elu") %>%
#'     layer_dense(20)
#' autoencoder <- keras_model(x, decoder(z))
#' encoder <- keras_model(x, z)
#' autoencoder
#' @export
keras_model <- function(inputs, outputs = NULL, name = NULL) {
    call <- quote(keras_model())
    inputs <- .asTensors(inputs, "inputs", call)
    outputs <- .asTensors(outputs, "outputs", call)
    for (tensor in inputs) {
        if (tensor$kind != "input") {
            .abort(c(
                "{.arg inputs} must be tensors of {.fn layer_input}.",
                x = "One is the output of {.val {(.describe(tensor))}}.",
                i = "To start there, make a new input of its size and call
                     the layers with it."
            ), call = call)
        }
    }
    .checkConnected(inputs, outputs, call)
    model <- .newModel(
        "waddington_functional", name %||% .autoName("model")
    )
    environment(model)$inputs <- inputs
    environment(model)$outputs <- outputs
    model
}

#' The start of a graph
#'
#' A tensor that stands for the data, to call layers with.
#'
#' @md
#' @param shape Number of features, such as `784` or `c(784)`; more than one
#'   number for arrays, which \code{\link{layer_flatten}} makes flat.
#' @param name A name, by which `fit()` and `predict()` find the data in a
#'   named list; or `NULL`.
#' @return A tensor.
#' @examples
#' x <- layer_input(shape = 784, name = "image")
#' x %>% layer_dense(units = 10, activation = "softmax")
#' @export
layer_input <- function(shape, name = NULL) {
    .newTensor(
        "input",
        shape = .asShape(shape, "shape", quote(layer_input())),
        name = name %||% .autoName("input")
    )
}

# What layers and models are made of -----------------------------------------

# A function with `state` behind it; the function applies itself.
.callable <- function(state, class) {
    self <- function(object, ...) .applyTo(self, object)
    environment(self) <- state
    state$self <- structure(self, class = class)
    state$self
}

.newLayer <- function(type, args = list(), name = NULL, input_shape = NULL) {
    state <- new.env(parent = topenv())
    state$type <- type
    state$args <- args
    state$name <- name %||% .autoName(type)
    state$input_shape <- .asShape(input_shape, "input_shape")
    state$trainable <- TRUE
    state$weights <- NULL
    .callable(state, "waddington_layer")
}

.newModel <- function(class, name) {
    state <- new.env(parent = topenv())
    state$name <- name
    state$compiled <- NULL
    state$stop_training <- FALSE
    .callable(state, c(class, "waddington_model"))
}

.newTensor <- function(kind, shape, inputs = list(), ...) {
    tensor <- list2env(list(kind = kind, inputs = inputs, ...), new.env())
    parent.env(tensor) <- emptyenv()
    tensor$shape <- shape
    structure(tensor, class = "waddington_tensor")
}

.isTensor <- function(x) inherits(x, "waddington_tensor")
.isLayer <- function(x) inherits(x, "waddington_layer")
.isModel <- function(x) inherits(x, "waddington_model")
.isSequential <- function(x) inherits(x, "waddington_sequential")

#' @export
`$.waddington_layer` <- function(x, name) {
    get0(name, envir = environment(x), inherits = FALSE)
}

#' @export
`$.waddington_model` <- function(x, name) {
    if (name == "layers") return(.layersOf(x))
    get0(name, envir = environment(x), inherits = FALSE)
}

#' @export
`[[.waddington_layer` <- function(x, i) `$.waddington_layer`(x, i)

#' @export
`[[.waddington_model` <- function(x, i) `$.waddington_model`(x, i)

#' @export
`$<-.waddington_layer` <- function(x, name, value) { # nolint
    assign(name, value, envir = environment(x))
    x
}

#' @export
`$<-.waddington_model` <- `$<-.waddington_layer` # nolint

# Names count through the session, as Keras' do: dense, dense_1, dense_2.
.counts <- new.env(parent = emptyenv())

.autoName <- function(type) {
    n <- get0(type, .counts, inherits = FALSE) %||% 0L
    assign(type, n + 1L, .counts)
    if (n == 0L) type else paste0(type, "_", n)
}

#' Number layers from the start again
#'
#' Layers without a name of their own are called after their kind, and
#' numbered through the session. This starts again from the first.
#'
#' @md
#' @return `NULL`, invisibly.
#' @examples
#' k_clear_session()
#' layer_dense(units = 1)
#' @export
k_clear_session <- function() {
    rm(list = ls(.counts), envir = .counts)
    invisible(NULL)
}

# Inputs and outputs of any model ---------------------------------------------

# The tensors of a sequential model, made when its input size is known:
# list(input, output of layer 1, ...), or NULL.
.tensorsOf <- function(model) {
    state <- environment(model)
    if (!is.null(state$tensors)) return(state$tensors)
    if (!length(state$layers)) return(NULL)
    shape <- state$input_shape %||% state$layers[[1]]$input_shape
    if (is.null(shape)) return(NULL)
    tensors <- list(.newTensor(
        "input",
        shape = shape, name = paste0(state$layers[[1]]$name, "_input")
    ))
    for (layer in state$layers) {
        tensors <- c(tensors, .tensorOf(layer, tensors[length(tensors)]))
    }
    state$tensors <- tensors
    tensors
}

.inputsOf <- function(model) {
    if (.isSequential(model)) .tensorsOf(model)[1] else model$inputs
}

.outputsOf <- function(model) {
    if (!.isSequential(model)) return(model$outputs)
    tensors <- .tensorsOf(model)
    tensors[length(tensors)]
}

.checkBuilt <- function(model, call) {
    if (is.null(.inputsOf(model)[[1]])) {
        .abort(c(
            "Model {.val {model$name}} doesn't know the size of its input.",
            i = if (length(model$layers)) {
                "Give {.arg input_shape} to its first layer,
                 {.val {model$layers[[1]]$name}}, or call {.fn fit} first."
            } else {
                "It has no layers yet."
            }
        ), call = call)
    }
    invisible(model)
}

# The layers of a model, each once, in the order in which data meet them.
.layersOf <- function(model) {
    state <- environment(model)
    if (.isSequential(model)) return(state$layers)
    layers <- lapply(.sorted(state$outputs), `[[`, "layer")
    layers <- layers[!vapply(layers, is.null, NA)]
    layers[!duplicated(vapply(layers, .layerId, ""))]
}

.layerId <- function(layer) rlang::obj_address(environment(layer))

# All tensors that `outputs` are made of, inputs first.
.sorted <- function(outputs) {
    seen <- new.env()
    found <- list()
    visit <- function(tensor) {
        if (!.isTensor(tensor) || exists(.id(tensor), seen)) return()
        assign(.id(tensor), TRUE, seen)
        for (input in tensor$inputs) visit(input)
        found <<- c(found, list(tensor))
    }
    for (tensor in outputs) visit(tensor)
    found
}

.checkConnected <- function(inputs, outputs, call) {
    mine <- vapply(inputs, .id, "")
    for (tensor in .sorted(outputs)) {
        if (tensor$kind == "input" && !.id(tensor) %in% mine) {
            .abort(c(
                "{.arg outputs} are made of input {.val {tensor$name}}, which
                 {.arg inputs} don't have."
            ), call = call)
        }
    }
    invisible(outputs)
}

# Arguments --------------------------------------------

.asList <- function(x) if (is.null(x) || is.list(x)) x else list(x)

.asTensors <- function(x, arg, call) {
    tensors <- if (.isTensor(x)) list(x) else x
    if (!is.list(tensors) || !length(tensors) ||
        !all(vapply(tensors, .isTensor, NA))) {
        .abort(c(
            "{.arg {arg}} must be a tensor or a list of tensors,
             not {.obj_type_friendly {x}}.",
            i = "Tensors start with {.fn layer_input}."
        ), call = call)
    }
    tensors
}

# 784, c(28, 28), list(NULL, 784) or NULL to a vector of integers.
.asShape <- function(shape, arg, call = quote(layer_dense())) {
    if (is.null(shape)) return(NULL)
    shape <- unlist(shape)
    good <- is.numeric(shape) && length(shape) && all(is.finite(shape)) &&
        all(shape >= 1) && all(shape == round(shape))
    if (!good) {
        .abort(
            "{.arg {arg}} must be whole numbers of 1 or more, the size of one
             sample, not {.val {shape}}.",
            call = call
        )
    }
    as.integer(shape)
}

.describe <- function(tensor) {
    tensor$name %||% tensor$layer$name %||% tensor$op
}
