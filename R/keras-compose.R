# How layers and models are applied: added to a model, called with tensors, or
# handed to Keras itself.

# The last line of every layer_*(): `object` says what happens to the layer.
# It is evaluated first, so that a model of Keras' own is handed to Keras.
.compose <- function(object, layer) {
    if (missing(object) || is.null(object)) return(layer)
    if (inherits(object, "python.builtin.object")) {
        frame <- sys.parent()
        call <- match.call(sys.function(frame), sys.call(frame))
        return(.delegate(call, object, parent.frame(2)))
    }
    .applyTo(layer, object)
}

# Calls Keras' function of the same name for a model of Keras' own.
.delegate <- function(call, object, frame) {
    fun <- deparse(call[[1]])
    fun <- sub("^.*::", "", fun[length(fun)])
    for (package in c("keras3", "keras")) {
        if (isNamespaceLoaded(package)) {
            call[[1]] <- getExportedValue(package, fun)
            call$object <- object
            return(eval(call, frame))
        }
    }
    .abort(c(
        "{.fn {fun}} got a Python object.",
        i = "It adds to models of {.fn keras_model_sequential} and to tensors
             of {.fn layer_input}.",
        i = "If the model is Keras' own, load package keras3 or keras."
    ), call = call(fun))
}

.applyTo <- function(self, object) {
    if (.isSequential(object)) return(.addLayer(object, self))
    if (.isModel(self)) return(.applyModel(self, object))
    merges <- self$type %in% .mergingTypes
    tensors <- if (.isTensor(object)) list(object) else object
    if (!is.list(tensors) || !all(vapply(tensors, .isTensor, NA))) {
        .abort(c(
            "{.val {self$name}} must be given a model or a tensor,
             not {.obj_type_friendly {object}}.",
            i = "Start from {.fn keras_model_sequential} or
                 {.fn layer_input}."
        ), call = call(paste0("layer_", self$type)))
    }
    if (length(tensors) != 1L && !merges) {
        .abort(c(
            "{.val {self$name}} takes one tensor, and got
             {length(tensors)}.",
            i = "Join them with {.fn layer_concatenate} first."
        ), call = call(paste0("layer_", self$type)))
    }
    .tensorOf(self, tensors)
}

# The output of a layer; a lambda's is what its function makes of the input.
.tensorOf <- function(layer, inputs, group = NULL) {
    if (layer$type == "lambda") return(.traceLambda(layer, inputs, group))
    .newTensor(
        "layer",
        shape = .outputShape(layer, lapply(inputs, `[[`, "shape")),
        inputs = inputs, layer = layer, group = group
    )
}

.addLayer <- function(model, layer) {
    if (!.isSequential(model)) {
        .abort(c(
            "Layers can be added to a sequential model only.",
            i = "Call the layer with a tensor of the model instead, and
                 {.fn keras_model} with the result."
        ), call = quote(keras_model_sequential()))
    }
    state <- environment(model)
    added <- if (.isSequential(layer)) layer$layers else list(layer)
    if (!all(vapply(added, .isLayer, NA))) {
        .abort(c(
            "{.arg layers} must be made by functions such as
             {.fn layer_dense}, not {.obj_type_friendly {layer}}."
        ), call = quote(keras_model_sequential()))
    }
    before <- state$layers
    state$layers <- c(before, added)
    state$tensors <- NULL
    state$compiled <- NULL
    # A size that doesn't fit is said where it is typed, and undone.
    tryCatch(.inputsOf(model), error = function(e) {
        state$layers <- before
        stop(e)
    })
    invisible(model)
}

# A model applied to tensors: its own layers, called again.
.applyModel <- function(model, object) {
    tensors <- if (.isTensor(object)) list(object) else object
    .asTensors(tensors, "object", call(model$name))
    if (.isSequential(model)) {
        for (layer in model$layers) {
            tensors <- list(.tensorOf(layer, tensors, group = model))
        }
        return(tensors[[1]])
    }
    outputs <- .substitute(model, tensors)
    if (length(outputs) == 1L) outputs[[1]] else outputs
}

# The outputs of a functional model with `tensors` in the place of its inputs.
.substitute <- function(model, tensors) {
    inputs <- model$inputs
    if (length(tensors) != length(inputs)) {
        .abort(
            "Model {.val {model$name}} has {length(inputs)} input{?s} and got
             {length(tensors)} tensor{?s}.",
            call = call(model$name)
        )
    }
    done <- new.env()
    for (i in seq_along(inputs)) {
        .checkSize(model$name, inputs[[i]]$shape, tensors[[i]]$shape)
        assign(.id(inputs[[i]]), tensors[[i]], done)
    }
    copy <- function(tensor) {
        if (!.isTensor(tensor)) return(tensor)
        if (!is.null(found <- get0(.id(tensor), done))) return(found)
        fresh <- list2env(as.list.environment(tensor), new.env())
        parent.env(fresh) <- emptyenv()
        fresh$inputs <- lapply(tensor$inputs, copy)
        fresh$group <- model
        class(fresh) <- class(tensor)
        assign(.id(tensor), fresh, done)
        fresh
    }
    lapply(model$outputs, copy)
}

.id <- function(tensor) rlang::obj_address(tensor)
