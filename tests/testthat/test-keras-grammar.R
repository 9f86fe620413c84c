# The grammar without Python: layers, models, shapes, errors.

test_that("the lecture's slide runs as it was shown", {
    #defining a keras sequential model
    model <- keras_model_sequential()

    #defining the model with 1 input layer[784 neurons], 1 hidden layer[784 neurons] with dropout rate 0.4 and 1 output # nolint
    #i.e digits from 0 to 9
    model %>%
      layer_dense(units = 784, input_shape = 784, activation = 'relu') %>% # nolint
      layer_dropout(rate=0.4) %>% # nolint
      layer_dense(units = 10, activation = 'softmax') # nolint

    expect_s3_class(model, "waddington_sequential")
    expect_length(model$layers, 3L)
    # as Keras counts the lecture's perceptron
    expect_identical(count_params(model), 623290)
    table <- capture.output(summary(model))
    expect_match(table, "\\(None, 784\\) +615,440", all = FALSE)
    expect_match(table, "\\(None, 10\\) +7,850", all = FALSE)
    expect_match(table, "^Total params: 623,290$", all = FALSE)
})

test_that("models grow in place, by either pipe", {
    model <- keras_model_sequential(input_shape = 3)
    same <- model |> layer_dense(units = 4) |> layer_dense(units = 2)
    expect_length(model$layers, 2L)
    expect_length(same$layers, 2L)
    expect_invisible(model %>% layer_dense(units = 1))
    expect_length(same$layers, 3L)
    listed <- keras_model_sequential(list(
        layer_dense(units = 4, input_shape = 3), layer_dropout(rate = 0.1)
    ))
    expect_identical(count_params(listed), 16)
})

test_that("parameters are counted as Keras counts them", {
    model <- keras_model_sequential(input_shape = 10) %>%
        layer_dense(units = 8, use_bias = FALSE) %>%
        layer_batch_normalization() %>%
        layer_activation("elu") %>%
        layer_layer_normalization() %>%
        layer_gaussian_noise(stddev = 0.1) %>%
        layer_masked_dense(mask = cbind(c(1, 1, 0, 0, 0, 0, 0, 0), 1))
    expect_identical(count_params(model), 80 + 32 + 16 + 10 + 2)
    table <- format(model)
    expect_match(table, "^Trainable params: 124$", all = FALSE)
    expect_match(table, "^Non-trainable params: 16$", all = FALSE)
    freeze_weights(model)
    expect_match(format(model), "^Trainable params: 0$", all = FALSE)
})

# The exercise's autoencoder for n genes, as its text builds it.
exerciseVAE <- function(gene_dim, neck = 32L) {
    K <- backend()
    x <- layer_input(shape = c(gene_dim), name = "gene_input")
    h <- layer_dense(x, 8 * neck, activation = "elu")
    h <- layer_dropout(h, rate = 0.2)
    h <- layer_dense(h, 4 * neck, activation = "elu")
    h <- layer_dropout(h, rate = 0.2)
    h <- layer_dense(h, 2 * neck, activation = "elu")
    h <- layer_dropout(h, rate = 0.2)
    z_mean <- layer_dense(h, neck)
    z_log_var <- layer_dense(h, neck)
    sampling <- function(arg) {
        z_mean <- arg[, 1:(neck)]
        z_log_var <- arg[, (neck + 1):(2 * neck)]
        epsilon <- K$random_normal(
            shape = c(K$shape(z_mean)[[1]]), mean = 0., stddev = 0.8
        )
        z_mean + K$exp(z_log_var / 2) * epsilon
    }
    z <- layer_concatenate(list(z_mean, z_log_var)) %>% layer_lambda(sampling)
    decoder_h <- keras_model_sequential()
    decoder_h %>%
        layer_dense(units = 2 * neck, activation = "elu") %>%
        layer_dropout(rate = 0.2) %>%
        layer_dense(units = 4 * neck, activation = "elu") %>%
        layer_dropout(rate = 0.2) %>%
        layer_dense(8 * neck, activation = "elu") %>%
        layer_dropout(rate = 0.2)
    decoder_mean <- layer_dense(units = gene_dim, activation = "relu")
    decoder_input <- layer_input(shape = neck)
    list(
        vae = keras_model(x, decoder_mean(decoder_h(z))),
        encoder = keras_model(x, z_mean),
        generator = keras_model(
            decoder_input, decoder_mean(decoder_h(decoder_input))
        )
    )
}

test_that("the exercise's functional models have its sizes", {
    models <- exerciseVAE(1222)
    expect_identical(count_params(models$vae), 715910)
    expect_identical(count_params(models$encoder), 356320)
    expect_identical(count_params(models$generator), 357510)
    # a model inside a model is one row of the table
    expect_match(
        format(models$generator), "Sequential.*\\(None, 256\\) +43,456",
        all = FALSE
    )
})

test_that("models and their parts share layers", {
    models <- exerciseVAE(50, 4L)
    shared <- models$encoder$layers[[1]]
    expect_identical(
        environment(shared), environment(models$vae$layers[[1]])
    )
    shared$trainable <- FALSE
    expect_false(models$vae$layers[[1]]$trainable)
})

test_that("a model survives saveRDS()", {
    models <- exerciseVAE(30, 2L)
    file <- withr::local_tempfile()
    saveRDS(models, file)
    again <- readRDS(file)
    expect_identical(format(again$vae), format(models$vae))
    expect_identical(
        environment(again$encoder$layers[[1]]),
        environment(again$vae$layers[[1]])
    )
})

test_that("layers and models can be called", {
    layer <- layer_dense(units = 3)
    a <- layer_input(shape = 5)
    expect_identical(layer(a)$shape, 3L)
    expect_identical(layer(layer_input(shape = 5))$shape, 3L)
    expect_error(layer(layer_input(shape = 6)), class = "shape_mismatch")
    two <- keras_model(list(a, b <- layer_input(shape = 2)), layer_concatenate(
        layer(a), layer_dense(b, units = 4)
    ))
    expect_identical(count_params(two), 18 + 12)
    out <- two(list(layer_input(shape = 5), layer_input(shape = 2)))
    expect_identical(out$shape, 7L)
    expect_error(two(a), "2 inputs and got\n?.*1 tensor")
})

test_that("arithmetic of tensors knows sizes", {
    x <- layer_input(shape = 4)
    expect_identical((2 * x + 1)$shape, 4L)
    expect_identical((-x)$shape, 4L)
    expect_identical(x[, 2:3]$shape, 2L)
    expect_identical(x[, -1]$shape, 3L)
    expect_identical(k_mean(x, axis = -1)$shape, integer())
    expect_identical(k_mean(x, axis = -1, keepdims = TRUE)$shape, 1L)
    expect_identical(sum(x)$shape, "scalar")
    expect_identical((x * k_sum(x, axis = -1))$shape, 4L)
    expect_identical(k_random_normal(k_shape(x))$shape, 4L)
    # the first axis alone stands for the whole shape
    expect_identical(k_random_normal(c(k_shape(x)[[1]]))$shape, 4L)
    expect_identical(k_random_normal(list(k_shape(x)[[1]], 7))$shape, 7L)
    expect_error(x + layer_input(shape = 3), class = "shape_mismatch")
    expect_error(x[, 5], class = "shape_mismatch")
    expect_error(x + "a", class = "waddington_InputError")
    expect_error(cumsum(x), "no function")
})

test_that("to_categorical() counts from 0 and takes factors", {
    expect_identical(to_categorical(c(0, 2), 3), rbind(c(1, 0, 0), c(0, 0, 1)))
    expect_identical(
        colnames(to_categorical(factor(c("b", "a")))), c("a", "b")
    )
    expect_error(to_categorical(c(0, 3), 3), "beyond the 3 classes")
    expect_error(to_categorical(-1), "whole numbers from 0")
})

test_that("wrong use of layers speaks R", {
    k_clear_session()
    model <- keras_model_sequential()
    expect_snapshot(error = TRUE, {
        model %>% layer_dense(units = 3, activation = "rleu")
        model %>% layer_dense(units = 0)
        model %>% layer_dropout(rate = 1)
        model %>% layer_dense(units = 3, kernel_initializer = "he_norml")
        model %>% layer_dense(units = 3, kernel_regularizer = "l3")
        count_params(keras_model_sequential() %>% layer_dense(units = 3))
        keras_model_sequential(input_shape = 4) %>%
            layer_dense(units = 3, name = "hidden") %>%
            layer_dense(units = 2, input_shape = 5, name = "out")
        keras_model_sequential(input_shape = c(8, 8)) %>%
            layer_dense(units = 3, name = "flat")
        layer_dense("a", 3, name = "lost")
        keras_model(1, 2)
    })
    # what failed was not added
    expect_length(model$layers, 0L)
})

test_that("models of Keras' own are handed to Keras", {
    theirs <- structure(list(), class = "python.builtin.object")
    expect_error(layer_dense(theirs, 3), "load package keras3 or keras")
    expect_error(theirs %>% layer_dropout(0.5), "layer_dropout")
})

test_that("stacks for recipes fold into the core's layers", {
    stack <- keras_model_sequential() %>%
        layer_dense(units = 64) %>%
        layer_batch_normalization() %>%
        layer_activation("elu") %>%
        layer_dropout(rate = 0.2) %>%
        layer_dense(units = 8, activation = "relu") %>%
        layer_gaussian_noise(stddev = 0.5)
    parts <- .stackOf(stack)$layers
    expect_length(parts, 3L)
    expect_identical(
        parts[[1]][c("units", "act", "norm", "dropout")],
        list(units = 64L, act = "elu", norm = "batch", dropout = 0.2)
    )
    expect_identical(parts[[3]], list(part = "Noise", sd = 0.5))
    expect_error(.stackOf(keras_model_sequential()), "with\\s+layers")
})
