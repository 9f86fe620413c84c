# What happens between epochs.

skip_if_not(waddingtonAvailable())

x <- as.matrix(iris[, 1:4])

newModel <- function(rate = 0.01) {
    model <- keras_model_sequential(input_shape = 4) %>% layer_dense(units = 2)
    model %>% compile(loss = "mse", optimizer = optimizer_sgd(rate))
}

test_that("the exercise's schedule gives its recorded learning rates", {
    burn_in.nepochs <- 80
    burn_in_lr <- 2e-5
    lr_schedule <- function(epoch, current_lr) {
        if (epoch <= burn_in.nepochs) {
            lr <- burn_in_lr
        } else if (epoch < 450) {
            lr <- min(
                2e-3, burn_in_lr + 1.5e-4 * ((epoch - burn_in.nepochs) / 20)
            )
        } else if (epoch > 600) {
            lr <- 5e-6
        } else {
            lr <- 1e-4
        }
        return(lr)
    }
    history <- newModel() %>% fit(
        x[1:4, ], x[1:4, 1:2],
        epochs = 620,
        callbacks = list(callback_learning_rate_scheduler(lr_schedule))
    )
    lr <- history$metrics$lr
    # entry i is epoch i - 1; values of the recorded run
    expect_equal(lr[c(1, 80, 81)], rep(2e-5, 3))
    expect_equal(lr[82], 2.75e-5)
    expect_equal(lr[c(345, 450)], c(2e-3, 2e-3))
    expect_equal(lr[c(451, 601)], c(1e-4, 1e-4))
    expect_equal(lr[602], 5e-6)
    expect_equal(lr, vapply(0:619, lr_schedule, 0, current_lr = 0))
})

test_that("the learning rate that is set is the one that is used", {
    model <- newModel()
    before <- get_weights(model)
    model %>% fit(x, x[, 1:2],
        epochs = 1, batch_size = 150,
        callbacks = callback_learning_rate_scheduler(function(epoch) 1e-3)
    )
    p <- sweep(x %*% before[[1]], 2, before[[2]], `+`)
    gradient <- crossprod(x, 2 * (p - x[, 1:2]) / (2 * 150))
    expect_equal(
        get_weights(model)[[1]], before[[1]] - 1e-3 * unname(gradient),
        tolerance = 1e-5, ignore_attr = TRUE
    )
})

test_that("early stopping stops, and gives back the best weights", {
    set.seed(1)
    model <- newModel(0.002)  # small steps: every epoch is better
    history <- model %>% fit(x, x[, 1:2],
        epochs = 30, validation_split = 0.2,
        callbacks = list(callback_early_stopping(
            patience = 4, mode = "max", restore_best_weights = TRUE
        ))
    )
    values <- history$metrics$val_loss
    # more is asked for, less is got: the first epoch is the best
    expect_true(all(values[-1] < values[1]))
    expect_identical(history$params$best_epoch, 1L)
    held <- 121:150
    score <- model %>% evaluate(x[held, ], x[held, 1:2])
    expect_equal(score[["loss"]], max(values), tolerance = 1e-5)
})

test_that("the rate falls on a plateau", {
    history <- newModel() %>% fit(x, x[, 1:2],
        epochs = 6, callbacks = callback_reduce_lr_on_plateau(
            monitor = "loss", factor = 0.5, patience = 2, min_delta = 1e9,
            min_lr = 0.004
        )
    )
    expect_equal(
        history$metrics$lr, c(0.01, 0.01, 0.01, 0.005, 0.005, 0.004)
    )
})

test_that("logs and checkpoints are written", {
    folder <- withr::local_tempdir()
    file <- function(name) file.path(folder, name)
    seen <- list()
    model <- newModel()
    history <- model %>% fit(x, x[, 1:2],
        epochs = 3, validation_split = 0.1, callbacks = list(
            callback_csv_logger(file("log.csv")),
            callback_model_checkpoint(file("w-{epoch}.rds"),
                save_weights_only = TRUE),
            callback_model_checkpoint(file("model.rds"), monitor = "loss",
                save_best_only = TRUE),
            callback_lambda(
                on_epoch_begin = function(epoch) seen <<- c(seen, epoch),
                on_epoch_end = function(epoch, logs) {
                    seen <<- c(seen, logs$loss)
                }
            )
        )
    )
    log <- read.csv(file("log.csv"))
    expect_identical(log$epoch, 0:2)
    expect_equal(log$val_loss, history$metrics$val_loss)
    expect_setequal(
        list.files(folder),
        c("log.csv", "model.rds", sprintf("w-%02d.rds", 1:3))
    )
    stored <- readRDS(file("model.rds"))
    expect_equal(predict(stored, x), predict(model, x))
    load_model_weights(stored, file("w-01.rds"))
    expect_false(isTRUE(all.equal(predict(stored, x), predict(model, x))))
    expect_equal(unlist(seen)[c(1, 3, 5)], 0:2)
    expect_equal(unlist(seen)[c(2, 4, 6)], history$metrics$loss)
})

test_that("a callback may end training", {
    model <- newModel()
    history <- model %>% fit(x, x[, 1:2],
        epochs = 10, callbacks = callback_lambda(
            on_epoch_end = function(epoch, logs) {
                if (epoch == 1) model$stop_training <- TRUE
            }
        )
    )
    expect_length(history$metrics$loss, 2L)
})

test_that("TensorBoard is asked for by name where it is missing", {
    has <- reticulate::py_module_available("tensorboard")
    folder <- withr::local_tempdir()
    run <- function() {
        newModel() %>% fit(x, x[, 1:2],
            epochs = 1, callbacks = callback_tensorboard(folder)
        )
    }
    if (has) {
        run()
        expect_gt(length(list.files(folder, recursive = TRUE)), 0L)
    } else {
        expect_error(run(), "needs the Python package tensorboard")
    }
})

test_that("a history prints, is a table and plots", {
    history <- newModel() %>% fit(x, x[, 1:2],
        epochs = 3, validation_split = 0.1
    )
    expect_output(print(history), "Trained on 135 samples, validated on 15")
    expect_output(print(history), "val_loss: ")
    table <- as.data.frame(history)
    expect_named(table, c("epoch", "value", "metric", "data"))
    expect_identical(nrow(table), 6L)
    expect_identical(levels(table$data), c("training", "validation"))
    expect_s3_class(plot(history), "ggplot")
    expect_identical(
        unique(ggplot2::layer_data(plot(history))$PANEL), factor(1)
    )
})

test_that("training again goes on where it was", {
    set.seed(1)
    once <- newModel()
    start <- get_weights(once)
    twice <- newModel()
    set_weights(twice, start)
    fitIn <- function(model, epochs) {
        model %>% compile(
            loss = "mse", optimizer = optimizer_adam(0.01)
        )
        for (n in epochs) {
            model %>% fit(x, x[, 1:2],
                epochs = n, shuffle = FALSE, verbose = 0
            )
        }
        get_weights(model)
    }
    # Adam's memory goes on too: 2 + 3 epochs are 5
    expect_equal(
        unlist(fitIn(once, 5)), unlist(fitIn(twice, c(2, 3))),
        tolerance = 1e-5
    )
})

test_that("training that breaks down ends with a warning and good weights", {
    rate <- callback_learning_rate_scheduler(function(epoch) {
        if (epoch < 2) 0.01 else 1e6
    })
    model <- newModel()
    expect_warning(
        history <- model %>% fit(x, x[, 1:2], epochs = 30, callbacks = rate),
        "not a number"
    )
    expect_lt(length(history$metrics$loss), 30L)
    expect_true(all(is.finite(unlist(get_weights(model)))))
})
