# The layers. Each function checks its arguments, makes a layer and hands it to
# .compose(), which adds it, calls it, or returns it.

.mergingTypes <- c("add", "average", "concatenate", "lambda", "multiply",
    "sampling", "subtract")

#' Fully connected layers, dropout and activation
#'
#' The layers that most networks consist of.
#'
#' @md
#' @param object What the layer is added to: a model of
#'   \code{\link{keras_model_sequential}}, which grows in place; a tensor of
#'   \code{\link{layer_input}}; or nothing, to get the layer itself, which is
#'   a function of tensors and can be used more than once.
#' @param units Number of outputs.
#' @param activation Name of a function of the outputs: `"relu"`, `"elu"`,
#'   `"selu"`, `"gelu"`, `"leaky_relu"`, `"tanh"`, `"sigmoid"`, `"softplus"`,
#'   `"softsign"`, `"swish"`, `"softmax"`, `"exponential"` or `"linear"`, which
#'   `NULL` means too.
#' @param use_bias Whether a constant is added to each output.
#' @param kernel_initializer,bias_initializer Where weights and constants
#'   start: see \code{\link{initializers}}.
#' @param kernel_regularizer,bias_regularizer,activity_regularizer Penalties
#'   on weights, constants and outputs: see \code{\link{regularizer_l1}}.
#' @param input_shape Number of features of the data, for the first layer of a
#'   sequential model; `NULL` if they'll say.
#' @param name The name of the layer, or `NULL` for a numbered one.
#' @param rate Share of the inputs, in \[0, 1), that training sets to 0; the
#'   others are divided by 1 - rate.
#'
#' @return The model, invisibly; or the output of the layer, a tensor; or the
#'   layer: whichever goes with `object`.
#'
#' @seealso \code{\link{layer_batch_normalization}},
#'   \code{\link{layer_concatenate}}, \code{\link{layer_lambda}} for other
#'   layers.
#' @examples
#' model <- keras_model_sequential() %>%
#'     layer_dense(units = 64, input_shape = 100, activation = "relu") %>%
#'     layer_dropout(rate = 0.4) %>%
#'     layer_dense(units = 1, activation = "sigmoid")
#' model
#'
#' # a layer by itself, called with two tensors
#' shared <- layer_dense(units = 8)
#' shared(layer_input(shape = 5))
#' @export
layer_dense <- function(
        object, units, activation = NULL, use_bias = TRUE,
        kernel_initializer = "glorot_uniform", bias_initializer = "zeros",
        kernel_regularizer = NULL, bias_regularizer = NULL,
        activity_regularizer = NULL, input_shape = NULL, name = NULL) {
    .compose(object, .newDense(
        "dense", units,
        list(
            activation = activation, use_bias = use_bias,
            kernel_initializer = kernel_initializer,
            bias_initializer = bias_initializer,
            kernel_regularizer = kernel_regularizer,
            bias_regularizer = bias_regularizer,
            activity_regularizer = activity_regularizer
        ),
        input_shape, name
    ))
}

#' Dense layers with some of the connections
#'
#' A dense layer whose weights are zero, and stay so, where a mask says it:
#' genes to pathways, for one.
#'
#' @md
#' @inheritParams layer_dense
#' @param mask A matrix of 0 and 1 (or `FALSE` and `TRUE`), inputs in rows and
#'   outputs in columns; dense, or sparse of package Matrix.
#' @param kernel_regularizer,bias_regularizer Penalties of the weights, such as
#'   `regularizer_l2(0.01)`.
#' @inherit layer_dense return
#' @references
#' Fortelny N, Bock C (2020). Knowledge-primed neural networks enable
#' biologically interpretable deep learning on single-cell sequencing data.
#' \emph{Genome Biology} 21, 190.
#' @examples
#' pathways <- cbind(apoptosis = c(1, 1, 0, 0), interferon = c(0, 1, 1, 1))
#' keras_model_sequential(input_shape = 4) %>%
#'     layer_masked_dense(mask = pathways, activation = "tanh")
#' @export
layer_masked_dense <- function(
        object, mask, activation = NULL, use_bias = TRUE,
        kernel_initializer = "glorot_uniform", bias_initializer = "zeros",
        kernel_regularizer = NULL, bias_regularizer = NULL,
        input_shape = NULL, name = NULL) {
    .compose(object, .newDense(
        "masked_dense", ncol(mask),
        list(
            mask = .asMask(mask), activation = activation,
            use_bias = use_bias, kernel_initializer = kernel_initializer,
            bias_initializer = bias_initializer,
            kernel_regularizer = kernel_regularizer,
            bias_regularizer = bias_regularizer
        ),
        input_shape %||% nrow(mask), name
    ))
}

.newDense <- function(type, units, args, input_shape, name) {
    call <- call(paste0("layer_", type))
    args$units <- .asCount(units, "units", call)
    args$activation <- .asActivation(args$activation, call)
    args$use_bias <- .asFlag(args$use_bias, "use_bias", call)
    for (arg in c("kernel_initializer", "bias_initializer")) {
        args[[arg]] <- .asInitializer(args[[arg]], arg, call)
    }
    penalties <- c(
        "kernel_regularizer", "bias_regularizer", "activity_regularizer"
    )
    for (arg in penalties) {
        args[[arg]] <- .asRegularizer(args[[arg]], arg, call)
    }
    .newLayer(type, args, name, input_shape)
}

.asMask <- function(mask) {
    good <- length(dim(mask)) == 2L && all(dim(mask) > 0L)
    mask <- if (good) as.matrix(mask) * 1
    if (!good || !all(mask %in% c(0, 1))) {
        .abort(
            "{.arg mask} must be a matrix of 0 and 1, inputs in rows and
             outputs in columns.",
            call = quote(layer_masked_dense())
        )
    }
    mask
}

#' @export
#' @rdname layer_dense
layer_dropout <- function(object, rate, input_shape = NULL, name = NULL) {
    .compose(object, .newLayer(
        "dropout",
        list(rate = .asShare(rate, "rate", quote(layer_dropout()))),
        name, input_shape
    ))
}

.asShare <- function(value, arg, call) {
    value <- .asNumber(value, arg, call, 0, 1)
    if (value == 1) {
        .abort("{.arg {arg}} must be below 1.", call = call)
    }
    value
}

#' @export
#' @rdname layer_dense
layer_activation <- function(
        object, activation, input_shape = NULL, name = NULL) {
    .compose(object, .newLayer(
        "activation",
        list(activation = .asActivation(
            activation, quote(layer_activation())
        )),
        name, input_shape
    ))
}

#' Activations with a number of their own
#'
#' As \code{\link{layer_activation}}, where the function has a parameter.
#'
#' @md
#' @inheritParams layer_dense
#' @param alpha Slope below zero of `leaky_relu`; the limit far below zero of
#'   `elu`, with a minus.
#' @inherit layer_dense return
#' @examples
#' keras_model_sequential(input_shape = 4) %>%
#'     layer_dense(units = 3) %>%
#'     layer_activation_leaky_relu(alpha = 0.1)
#' @export
layer_activation_leaky_relu <- function(
        object, alpha = 0.3, input_shape = NULL, name = NULL) {
    call <- quote(layer_activation_leaky_relu())
    .compose(object, .newLayer(
        "leaky_re_lu",
        list(
            activation = "leaky_relu", alpha = .asNumber(alpha, "alpha", call)
        ),
        name, input_shape
    ))
}

#' @export
#' @rdname layer_activation_leaky_relu
layer_activation_elu <- function(
        object, alpha = 1, input_shape = NULL, name = NULL) {
    call <- quote(layer_activation_elu())
    .compose(object, .newLayer(
        "elu",
        list(activation = "elu", alpha = .asNumber(alpha, "alpha", call)),
        name, input_shape
    ))
}

#' @export
#' @rdname layer_activation_leaky_relu
layer_activation_relu <- function(object, input_shape = NULL, name = NULL) {
    .compose(object, .newLayer(
        "re_lu", list(activation = "relu"), name, input_shape
    ))
}

#' @export
#' @rdname layer_activation_leaky_relu
layer_activation_softmax <- function(object, input_shape = NULL, name = NULL) {
    .compose(object, .newLayer(
        "softmax", list(activation = "softmax"), name, input_shape
    ))
}

#' Normalisation
#'
#' Batch normalisation gives each feature mean 0 and variance 1 over the
#' samples of a minibatch, layer normalisation each sample over its features;
#' both then scale and shift with learnt numbers.
#'
#' @md
#' @inheritParams layer_dense
#' @param momentum The weight of the old value in the moving mean and variance
#'   that prediction uses, in \[0, 1).
#' @param epsilon A small number that is added to variances.
#' @param center,scale Whether there is a learnt shift, and a learnt factor.
#' @inherit layer_dense return
#' @references
#' Ioffe S, Szegedy C (2015). Batch normalization. \emph{ICML} 37, 448-456.
#'
#' Ba JL, Kiros JR, Hinton GE (2016). Layer normalization. arXiv:1607.06450.
#' @examples
#' keras_model_sequential(input_shape = 10) %>%
#'     layer_dense(units = 8) %>%
#'     layer_batch_normalization() %>%
#'     layer_activation("relu")
#' @export
layer_batch_normalization <- function(
        object, momentum = 0.99, epsilon = 0.001, center = TRUE, scale = TRUE,
        input_shape = NULL, name = NULL) {
    call <- quote(layer_batch_normalization())
    .compose(object, .newLayer(
        "batch_normalization",
        list(
            momentum = .asShare(momentum, "momentum", call),
            epsilon = .asNumber(epsilon, "epsilon", call, low = 0),
            center = .asFlag(center, "center", call),
            scale = .asFlag(scale, "scale", call)
        ),
        name, input_shape
    ))
}

#' @export
#' @rdname layer_batch_normalization
layer_layer_normalization <- function(
        object, epsilon = 0.001, center = TRUE, scale = TRUE,
        input_shape = NULL, name = NULL) {
    call <- quote(layer_layer_normalization())
    .compose(object, .newLayer(
        "layer_normalization",
        list(
            epsilon = .asNumber(epsilon, "epsilon", call, low = 0),
            center = .asFlag(center, "center", call),
            scale = .asFlag(scale, "scale", call)
        ),
        name, input_shape
    ))
}

#' Noise and shape
#'
#' Gaussian noise that training adds; and arrays made flat.
#'
#' @md
#' @inheritParams layer_dense
#' @param stddev Standard deviation of the noise.
#' @inherit layer_dense return
#' @examples
#' keras_model_sequential(input_shape = c(8, 8)) %>%
#'     layer_flatten() %>%
#'     layer_gaussian_noise(stddev = 0.1) %>%
#'     layer_dense(units = 10)
#' @export
layer_gaussian_noise <- function(
        object, stddev, input_shape = NULL, name = NULL) {
    call <- quote(layer_gaussian_noise())
    .compose(object, .newLayer(
        "gaussian_noise",
        list(stddev = .asNumber(stddev, "stddev", call, low = 0)),
        name, input_shape
    ))
}

#' @export
#' @rdname layer_gaussian_noise
layer_flatten <- function(object, input_shape = NULL, name = NULL) {
    .compose(object, .newLayer("flatten", list(), name, input_shape))
}

#' Layers that join tensors
#'
#' Side by side, or number by number.
#'
#' @md
#' @param inputs A list of tensors; or the first, and the others in `...`.
#' @param ... More tensors.
#' @param name The name of the layer, or `NULL` for a numbered one.
#' @return A tensor, or without `inputs` the layer, a function of a list of
#'   tensors.
#' @examples
#' rna <- layer_input(shape = 50)
#' protein <- layer_input(shape = 10)
#' both <- layer_concatenate(list(rna, protein)) %>% layer_dense(units = 8)
#' keras_model(list(rna, protein), both)
#' @export
layer_concatenate <- function(inputs, ..., name = NULL) {
    if (missing(inputs)) return(.newLayer("concatenate", list(), name))
    .merge("concatenate", inputs, list(...), name)
}

#' @export
#' @rdname layer_concatenate
layer_add <- function(inputs, ..., name = NULL) {
    if (missing(inputs)) return(.newLayer("add", list(), name))
    .merge("add", inputs, list(...), name)
}

#' @export
#' @rdname layer_concatenate
layer_subtract <- function(inputs, ..., name = NULL) {
    if (missing(inputs)) return(.newLayer("subtract", list(), name))
    .merge("subtract", inputs, list(...), name)
}

#' @export
#' @rdname layer_concatenate
layer_multiply <- function(inputs, ..., name = NULL) {
    if (missing(inputs)) return(.newLayer("multiply", list(), name))
    .merge("multiply", inputs, list(...), name)
}

#' @export
#' @rdname layer_concatenate
layer_average <- function(inputs, ..., name = NULL) {
    if (missing(inputs)) return(.newLayer("average", list(), name))
    .merge("average", inputs, list(...), name)
}

.merge <- function(type, inputs, more, name) {
    call <- call(paste0("layer_", type))
    tensors <- c(if (.isTensor(inputs)) list(inputs) else inputs, more)
    .asTensors(tensors, "inputs", call)
    if (length(tensors) < 2L) {
        .abort(
            "{.arg inputs} must be two tensors or more, not one.",
            call = call
        )
    }
    .tensorOf(.newLayer(type, list(), name), tensors)
}

#' Layers of your own, and draws from a posterior
#'
#' `layer_lambda()` applies an R function of tensors. `layer_sampling()` is the
#' one that a variational autoencoder needs: given means and log variances, it
#' draws.
#'
#' @md
#' @param object A tensor, a sequential model, or nothing (see
#'   \code{\link{layer_dense}}). For `layer_sampling()`, a list of two tensors,
#'   means and log variances, or one that has them side by side.
#' @param f A function of one tensor (or of a list, if `object` is one) that
#'   returns a tensor, made with R's arithmetic, `exp()`, `log()`, `x[, 1:3]`,
#'   and the functions called `k_*`: see \code{\link{backend}}.
#' @param prior_sd A factor of the standard deviation; 1 in nearly all models.
#' @param name The name of the layer, or `NULL` for a numbered one.
#' @param input_shape As in \code{\link{layer_dense}}.
#' @inherit layer_dense return
#'
#' @details
#' The function is called once, when the layer is added, and what it does to
#' the tensors is written down: that is what Python computes later. So models
#' with such layers can be stored, and train at full speed.
#'
#' Each cell and each dimension gets a draw of its own, in prediction too.
#' @examples
#' x <- layer_input(shape = 10)
#' h <- x %>% layer_dense(units = 8, activation = "elu")
#' z_mean <- h %>% layer_dense(units = 2)
#' z_log_var <- h %>% layer_dense(units = 2)
#' layer_sampling(list(z_mean, z_log_var))
#'
#' # the same by hand
#' layer_concatenate(list(z_mean, z_log_var)) %>%
#'     layer_lambda(function(both) {
#'         mean <- both[, 1:2]
#'         mean + exp(both[, 3:4] / 2) * k_random_normal(k_shape(mean))
#'     })
#' @export
layer_lambda <- function(object, f, name = NULL, input_shape = NULL) {
    if (!is.function(f)) {
        .abort(
            "{.arg f} must be a function of a tensor, not
             {.obj_type_friendly {f}}.",
            call = quote(layer_lambda())
        )
    }
    .compose(object, .newLayer("lambda", list(f = f), name, input_shape))
}

#' @export
#' @rdname layer_lambda
layer_sampling <- function(object, prior_sd = 1, name = NULL) {
    call <- quote(layer_sampling())
    prior_sd <- .asNumber(prior_sd, "prior_sd", call, 0)
    .compose(object, .newLayer("sampling", list(sd = prior_sd), name))
}

#' Layers that don't learn
#'
#' Keeps the weights of layers as they are while others are trained.
#'
#' @md
#' @param object A model or a layer.
#' @return `object`, invisibly; its layers have changed.
#' @examples
#' decoder <- keras_model_sequential(input_shape = 2) %>%
#'     layer_dense(units = 8)
#' freeze_weights(decoder)
#' decoder
#' @export
freeze_weights <- function(object) .setTrainable(object, FALSE)

#' @export
#' @rdname freeze_weights
unfreeze_weights <- function(object) .setTrainable(object, TRUE)

.setTrainable <- function(object, value) {
    for (layer in if (.isLayer(object)) list(object) else object$layers) {
        layer$trainable <- value
    }
    invisible(object)
}
