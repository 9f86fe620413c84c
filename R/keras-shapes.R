# How wide a layer's output is, and how many numbers it learns.

# The shape of one sample after `layer`, from those before it, as integers.
.outputShape <- function(layer, shapes) {
    switch(layer$type,
        dense = ,
        masked_dense = .denseShape(layer, shapes[[1]]),
        flatten = as.integer(prod(shapes[[1]])),
        concatenate = as.integer(sum(unlist(shapes))),
        add = ,
        subtract = ,
        multiply = ,
        average = .sameShape(layer, shapes),
        sampling = .samplingShape(layer, shapes),
        .checkGiven(layer, shapes[[1]])
    )
}

# What an `input_shape` in the middle of a model says must be true.
.checkGiven <- function(layer, shape) {
    given <- layer$input_shape
    if (!is.null(given) && !identical(given, shape)) {
        .checkSize(layer$name, given, shape)
    }
    shape
}

.checkSize <- function(name, wants, gets) {
    if (!identical(as.integer(wants), as.integer(gets))) {
        .abort(c(
            "Layer {.val {name}} takes {(.sizes(wants))} features and gets
             {(.sizes(gets))}.",
            i = "Change the layer before it, or what {.val {name}} expects."
        ), class = "shape_mismatch", call = call(name))
    }
}

.sizes <- function(shape) paste(shape, collapse = " x ")

.denseShape <- function(layer, shape) {
    if (length(shape) > 1L) {
        .abort(c(
            "Layer {.val {layer$name}} gets samples of {(.sizes(shape))}, and
             takes flat ones.",
            i = "Put {.fn layer_flatten} before it."
        ), class = "shape_mismatch", call = call(layer$name))
    }
    if (layer$type == "masked_dense") {
        .checkSize(layer$name, nrow(layer$args$mask), shape)
    }
    .checkGiven(layer, shape)
    # A layer that is called again must be called with the same size.
    if (!is.null(layer$built)) .checkSize(layer$name, layer$built, shape)
    layer$built <- shape
    layer$args$units
}

.sameShape <- function(layer, shapes) {
    for (shape in shapes[-1]) {
        if (!identical(shape, shapes[[1]])) {
            .abort(c(
                "Layer {.val {layer$name}} takes tensors of one size, and gets
                 {(.sizes(shapes[[1]]))} and {(.sizes(shape))}."
            ), class = "shape_mismatch", call = call(layer$name))
        }
    }
    shapes[[1]]
}

.samplingShape <- function(layer, shapes) {
    if (length(shapes) == 2L) return(.sameShape(layer, shapes))
    if (length(shapes) > 2L || shapes[[1]][1] %% 2L) {
        .abort(c(
            "Layer {.val {layer$name}} takes means and log variances: two
             tensors, or one of both, side by side.",
            x = "It gets {length(shapes)} tensor{?s} of
                 {vapply(shapes, .sizes, '')} feature{?s}."
        ), class = "shape_mismatch", call = call(layer$name))
    }
    shapes[[1]] %/% 2L
}

# Numbers of a layer that are learnt, and that are not.
.paramsOf <- function(layer, shapes) {
    n <- as.numeric(unlist(shapes))
    args <- layer$args
    learnt <- switch(layer$type,
        dense = (n + args$use_bias) * args$units,
        masked_dense = sum(args$mask) + args$use_bias * args$units,
        batch_normalization = ,
        layer_normalization = n * (args$center + args$scale),
        0
    )
    fixed <- if (layer$type == "batch_normalization") 2 * n else 0
    if (layer$trainable) c(learnt, fixed) else c(0, learnt + fixed)
}

# Tensors of layers in a model, each layer once: name, class, shape, numbers.
.rowsOf <- function(model) {
    tensors <- if (.isSequential(model)) {
        .tensorsOf(model)[-1]
    } else {
        .sorted(model$outputs)
    }
    tensors <- Filter(function(x) x$kind != "op", tensors)
    rows <- list()
    for (tensor in tensors) {
        row <- .rowOf(tensor)
        if (is.null(rows[[row$id]]) || !is.null(tensor$group)) {
            rows[[row$id]] <- row
        }
    }
    unname(rows)
}

# A model inside a model is one row, with the shape of its last tensor.
.rowOf <- function(tensor) {
    group <- tensor$group
    if (!is.null(group)) {
        inside <- .countParams(group)
        kind <- if (.isSequential(group)) "Sequential" else "Functional"
        return(list(
            id = rlang::obj_address(environment(group)), name = group$name,
            kind = kind, params = inside, shape = tensor$shape
        ))
    }
    layer <- tensor$layer
    list(
        id = if (is.null(layer)) .id(tensor) else .layerId(layer),
        name = tensor$name %||% layer$name,
        kind = if (is.null(layer)) "InputLayer" else .className(layer$type),
        shape = tensor$shape,
        params = if (is.null(layer)) c(0, 0) else .paramsOf(
            layer, lapply(tensor$inputs, `[[`, "shape")
        )
    )
}

# batch_normalization to BatchNormalization, as Keras calls it.
.className <- function(type) {
    words <- strsplit(type, "_", fixed = TRUE)[[1]]
    paste0(toupper(substring(words, 1, 1)), substring(words, 2), collapse = "")
}

# c(learnt, fixed) of a whole model, each layer once.
.countParams <- function(model) {
    tensors <- if (.isSequential(model) && is.null(.tensorsOf(model))) {
        .builtLayers(model)
    } else {
        .sorted(.outputsOf(model))
    }
    tensors <- Filter(function(x) !is.null(x$layer), tensors)
    tensors <- tensors[!duplicated(
        vapply(tensors, function(x) .layerId(x$layer), "")
    )]
    total <- c(0, 0)
    for (tensor in tensors) {
        total <- total + .paramsOf(
            tensor$layer, lapply(tensor$inputs, `[[`, "shape")
        )
    }
    total
}

# A sequential model without an input size, whose layers were called elsewhere.
.builtLayers <- function(model) {
    shape <- NULL
    tensors <- list()
    for (layer in model$layers) {
        shape <- layer$built %||% shape
        if (is.null(shape)) return(list())
        tensors <- c(tensors, list(
            list(layer = layer, inputs = list(list(shape = shape)))
        ))
        shape <- layer$args$units %||% shape
    }
    tensors
}

#' The number of parameters
#'
#' How many numbers a model has, those that training doesn't move included.
#'
#' @md
#' @param object A model.
#' @return One number.
#' @examples
#' model <- keras_model_sequential(input_shape = 784) %>%
#'     layer_dense(units = 784, activation = "relu") %>%
#'     layer_dropout(rate = 0.4) %>%
#'     layer_dense(units = 10, activation = "softmax")
#' count_params(model)
#' @export
count_params <- function(object) {
    .checkBuilt(object, quote(count_params()))
    sum(.countParams(object))
}
