# Training, asking and scoring; needs Python.

skip_if_not(waddingtonAvailable())

digits <- function() {
    data <- reticulate::import("sklearn.datasets")$load_digits()
    list(x = data$data / 16, y = data$target)
}

test_that("the lecture's network reads handwritten digits", {
    data <- digits()
    set.seed(1)
    held <- sample(nrow(data$x), 360)
    y <- to_categorical(data$y, 10)
    model <- keras_model_sequential()
    model %>%
        layer_dense(units = 64, input_shape = 64, activation = "relu") %>%
        layer_dropout(rate = 0.4) %>%
        layer_dense(units = 10, activation = "softmax")
    model %>% compile(
        loss = "categorical_crossentropy", optimizer = "adam",
        metrics = c("accuracy")
    )
    history <- model %>% fit(
        data$x[-held, ], y[-held, ],
        epochs = 40, batch_size = 64,
        validation_data = list(data$x[held, ], y[held, ])
    )
    score <- model %>% evaluate(data$x[held, ], y[held, ])
    expect_named(score, c("loss", "accuracy"))
    expect_gt(score[["accuracy"]], 0.95)
    expect_equal(
        score[["accuracy"]], history$metrics$val_accuracy[40],
        tolerance = 1e-6
    )
    guess <- max.col(predict(model, data$x[held, ])) - 1
    expect_equal(mean(guess == data$y[held]), score[["accuracy"]])
})

test_that("set.seed() governs, and a model survives saveRDS() and files", {
    x <- as.matrix(iris[, 1:4])
    run <- function() {
        set.seed(7)
        model <- keras_model_sequential(input_shape = 4) %>%
            layer_dense(units = 8, activation = "tanh") %>%
            layer_dropout(rate = 0.2) %>%
            layer_dense(units = 3, activation = "softmax")
        model %>% compile(loss = "categorical_crossentropy")
        model %>% fit(x, iris$Species, epochs = 2)
        model
    }
    model <- run()
    expect_identical(predict(model, x), predict(run(), x))
    expect_identical(rownames(predict(model, x)), rownames(x))

    file <- withr::local_tempfile()
    saveRDS(model, file)
    again <- readRDS(file)
    expect_identical(predict(again, x), predict(model, x))
    again %>% fit(x, iris$Species, epochs = 1)
    expect_false(identical(get_weights(again), get_weights(model)))

    for (way in list(
        list(save_model_weights, load_model_weights),
        list(save_model_weights_hdf5, load_model_weights_hdf5)
    )) {
        file <- withr::local_tempfile()
        way[[1]](model, file)
        way[[2]](again, file)
        expect_equal(predict(again, x), predict(model, x))
        expect_error(way[[1]](model, file, overwrite = FALSE), "exists")
    }
    expect_error(load_model_weights(model, "nowhere"), "no file")
    saveRDS(1, file)
    expect_error(load_model_weights(model, file), "no weights")
})

test_that("dense, sparse and SingleCellExperiment data are the same data", {
    set.seed(3)
    counts <- Matrix::Matrix(rpois(40 * 12, 0.7), 40, 12, sparse = TRUE)
    counts <- as(counts, "dMatrix")
    dimnames(counts) <- list(paste0("c", 1:40), paste0("g", 1:12))
    sce <- SingleCellExperiment::SingleCellExperiment(
        list(counts = Matrix::t(counts)),
        colData = S4Vectors::DataFrame(type = factor(rep(c("a", "b"), 20)))
    )
    model <- keras_model_sequential() %>%
        layer_dense(units = 5, activation = "relu") %>%
        layer_dense(units = 2, activation = "softmax")
    model %>% compile(loss = "categorical_crossentropy", metrics = "acc")
    model %>% fit(sce, "type", epochs = 1)
    from <- predict(model, sce)
    expect_equal(dim(from), c(40L, 2L))
    expect_equal(from, predict(model, counts), tolerance = 1e-5)
    expect_equal(from, predict(model, as.matrix(counts)), tolerance = 1e-5)
    expect_named(
        model %>% evaluate(counts, sce$type), c("loss", "acc")
    )
})

test_that("arrays are read as Keras reads them", {
    x <- array(as.numeric(1:24), c(2, 3, 4))
    model <- keras_model_sequential(input_shape = c(3, 4)) %>%
        layer_flatten() %>%
        layer_dense(units = 1, use_bias = FALSE)
    w <- 1:12
    set_weights(model, list(matrix(w, 12, 1)))
    # the last axis runs fastest: C order
    want <- apply(x, 1, function(one) sum(as.numeric(t(one)) * w))
    expect_equal(predict(model, x)[, 1], want)
})

test_that("parts of a trained model are trained, and the exercise runs", {
    set.seed(2)
    x <- matrix(rnorm(300 * 3), 300) %*% matrix(rnorm(3 * 20), 3)
    x <- x / sd(x)
    input <- layer_input(shape = 20, name = "genes")
    h <- input %>% layer_dense(units = 16, activation = "elu")
    z_mean <- h %>% layer_dense(units = 3)
    z_log_var <- h %>% layer_dense(units = 3)
    decoder <- keras_model_sequential() %>%
        layer_dense(units = 16, activation = "elu") %>%
        layer_dense(units = 20)
    z <- layer_sampling(list(z_mean, z_log_var))
    vae <- keras_model(input, decoder(z))
    encoder <- keras_model(input, z_mean)
    latent <- layer_input(shape = 3)
    generator <- keras_model(latent, decoder(latent))
    K <- backend()
    vae_loss <- function(y_true, y_pred) {
        kl <- -0.5 * K$mean(
            1 + z_log_var - K$square(z_mean) - K$exp(z_log_var),
            axis = -1L
        )
        loss_mean_squared_error(y_true, y_pred) + 0.02 * kl
    }
    cor_metric <- function(y_true, y_pred) {
        a <- y_true - K$mean(y_true)
        b <- y_pred - K$mean(y_pred)
        K$square(K$sum(a * b) / K$sqrt(K$sum(a^2) * K$sum(b^2)))
    }
    vae %>% compile(
        loss = vae_loss, optimizer = optimizer_adam(lr = 0.005, amsgrad = TRUE),
        metrics = custom_metric("cor", cor_metric)
    )
    history <- vae %>% fit(
        x = x, y = x, epochs = 80, batch_size = 64,
        validation_data = list(x, x)
    )
    expect_named(history$metrics, c("loss", "cor", "val_loss", "val_cor"))
    decoded <- predict(generator, predict(encoder, list(genes = x)))
    expect_gt(cor(c(decoded), c(x))^2, 0.9)
    # two cells that are alike get draws of their own
    twins <- predict(keras_model(input, z), x[c(1, 1), ])
    expect_false(isTRUE(all.equal(twins[1, ], twins[2, ])))
})

test_that("a loss agrees with what R computes of the same tensors", {
    x <- as.matrix(iris[, 1:4])
    y <- as.matrix(iris[, 1:2])
    model <- keras_model_sequential(input_shape = 4) %>%
        layer_dense(units = 2, activation = "softplus")
    by_hand <- function(y_true, y_pred) {
        k_mean(k_maximum(y_true, 3) * log(y_pred + 1)^2, axis = -1) -
            0.5 * sum(abs(y_pred[, 2] / y_true[, 1]))
    }
    model %>% compile(
        loss = by_hand, metrics = c("mse", "mae", "poisson", "huber")
    )
    p <- predict(model, x)
    score <- model %>% evaluate(x, y, batch_size = 150)
    want <- mean(rowMeans(pmax(y, 3) * log(p + 1)^2)) -
        0.5 * sum(abs(p[, 2] / y[, 1]))
    expect_equal(score[["loss"]], want, tolerance = 1e-5)
    expect_equal(score[["mse"]], mean((p - y)^2), tolerance = 1e-5)
    expect_equal(score[["mae"]], mean(abs(p - y)), tolerance = 1e-5)
    expect_equal(
        score[["poisson"]], mean(p - y * log(p + 1e-7)),
        tolerance = 1e-5
    )
    e <- abs(p - y)
    huber <- mean(ifelse(e <= 1, e^2 / 2, e - 0.5))
    expect_equal(score[["huber"]], huber, tolerance = 1e-5)
})

test_that("functions of torch's own tensors are called with them", {
    x <- as.matrix(iris[, 1:4])
    loss <- function(y_true, y_pred) {
        e <- y_pred$sub(y_true)
        mean((e^2 + 0 * exp(e)) * 1)
    }
    model <- keras_model_sequential(input_shape = 4) %>% layer_dense(units = 4)
    model %>% compile(loss = loss, optimizer = "sgd", metrics = "mse")
    history <- model %>% fit(x, x, epochs = 2)
    # float32, summed minibatch by minibatch
    expect_equal(
        history$metrics$loss, history$metrics$mse,
        tolerance = 1e-5
    )
    expect_lt(history$metrics$loss[2], history$metrics$loss[1])
})

test_that("counts have likelihoods, and learn their dispersion", {
    set.seed(5)
    counts <- matrix(rnbinom(400 * 10, mu = 6, size = 2), 400)
    model <- keras_model_sequential(input_shape = 10) %>%
        layer_dense(units = 10, activation = "softplus")
    model %>% compile(
        loss = loss_negative_binomial(), optimizer = optimizer_adam(0.05)
    )
    model %>% fit(matrix(1, 400, 10), counts, epochs = 60, batch_size = 100)
    mean <- predict(model, matrix(1, 1, 10))
    expect_equal(c(mean), colMeans(counts), tolerance = 0.1)
    learnt <- environment(model)$learnt[[1]]$weights$bias
    expect_equal(median(exp(learnt)), 2, tolerance = 0.2)
    score <- model %>% evaluate(matrix(1, 400, 10), counts)
    truth <- -sum(dnbinom(counts, mu = rep(c(mean), each = 400),
        size = rep(exp(c(learnt)), each = 400), log = TRUE)) / 400
    expect_equal(score[["loss"]], truth, tolerance = 1e-4)
})

test_that("weights of samples and classes weigh", {
    set.seed(6)
    x <- matrix(1, 200, 1)
    y <- rep(c(0, 1), 100)
    model <- function() {
        made <- keras_model_sequential(input_shape = 1) %>%
            layer_dense(units = 1)
        made %>% compile(loss = "mse", optimizer = optimizer_sgd(0.1))
    }
    weighted <- model()
    weighted %>% fit(
        x, y, sample_weight = ifelse(y == 1, 1.5, 0.5), epochs = 30
    )
    expect_equal(predict(weighted, x[1, , drop = FALSE])[1], 0.75,
        tolerance = 0.1)
    by_class <- model()
    by_class %>% fit(
        x, y, class_weight = list("0" = 0.5, "1" = 1.5), epochs = 30
    )
    expect_equal(predict(by_class, x[1, , drop = FALSE])[1], 0.75,
        tolerance = 0.1)
})

test_that("frozen layers stay, penalties and masks hold", {
    x <- as.matrix(iris[, 1:4])
    frozen <- layer_dense(units = 3, activation = "relu")
    mask <- rbind(c(1, 0), c(0, 1), c(1, 1))
    input <- layer_input(shape = 4)
    out <- layer_masked_dense(
        frozen(input), mask,
        kernel_regularizer = regularizer_l2(0.1)
    )
    model <- keras_model(input, out)
    model %>% compile(loss = "mse", optimizer = optimizer_adam(0.05))
    before <- get_weights(model)
    freeze_weights(frozen)
    model %>% fit(x, x[, 1:2], epochs = 3)
    after <- get_weights(model)
    expect_equal(before[1:2], after[1:2])
    expect_identical(after[[3]] == 0, mask == 0)
    score <- model %>% evaluate(x, x[, 1:2])
    fit <- mean((predict(model, x) - x[, 1:2])^2)
    expect_equal(
        score[["loss"]], fit + 0.1 * sum(after[[3]]^2),
        tolerance = 1e-5
    )
})

test_that("several inputs and outputs have losses of their own", {
    set.seed(8)
    a <- matrix(rnorm(200), 100)
    b <- matrix(rnorm(300), 100)
    one <- layer_input(shape = 2, name = "one")
    two <- layer_input(shape = 3, name = "two")
    h <- layer_concatenate(one, two) %>% layer_dense(units = 8, "elu")
    model <- keras_model(list(one, two), list(
        layer_dense(h, 2, name = "left"), layer_dense(h, 1, name = "right")
    ))
    model %>% compile(
        loss = list("mse", "mae"), optimizer = "nadam", loss_weights = c(1, 2)
    )
    history <- model %>% fit(list(two = b, one = a), list(a, b[, 1]),
        epochs = 2)
    expect_named(history$metrics, c("loss", "left_loss", "right_loss"))
    expect_equal(
        history$metrics$loss,
        history$metrics$left_loss + 2 * history$metrics$right_loss,
        tolerance = 1e-5
    )
    out <- predict(model, list(a, b))
    expect_equal(vapply(out, ncol, 0L), c(2L, 1L))
    expect_error(predict(model, a), "2 inputs")
})

test_that("wrong use of training speaks R", {
    x <- as.matrix(iris[, 1:4])
    model <- keras_model_sequential(input_shape = 4, name = "classifier") %>%
        layer_dense(units = 3, activation = "softmax", name = "out")
    expect_snapshot(error = TRUE, {
        fit(model, x, x)
        compile(model, loss = "categorical_crossentrpy")
        compile(model, optimizer = "adam")
        compile(model, loss = "mse", optimiser = "adam")
        compile(model, loss = "mse", metrics = "acuracy")
    })
    compile(model, loss = "categorical_crossentropy")
    expect_snapshot(error = TRUE, {
        fit(model, x[, 1:3], iris$Species)
        fit(model, x, as.integer(iris$Species))
        fit(model, x, iris$Species[1:10])
        fit(model, replace(x, 1, NA), iris$Species)
        fit(model, x, iris$Species, epohcs = 3)
        fit(model, x, iris$Species, callbacks = list(1))
        fit(model, x, iris$Species, epochs = 1,
            callbacks = callback_early_stopping(monitor = "val_loss"))
    })
    compile(model, loss = function(y_true, y_pred) (y_true - y_pred)^2)
    expect_snapshot(error = TRUE, fit(model, x, iris$Species))
    compile(model, loss = function(y_true, y_pred) y_pred$sub(y_true))
    expect_error(fit(model, x, iris$Species), "one number for each of the")
    compile(model, loss = function(y_true, y_pred) 3)
    expect_error(fit(model, x, iris$Species), "must return a tensor")
})
