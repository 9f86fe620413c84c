# What happens between epochs. A callback is a plain list that says what it
# wants; .hooksOf() makes it functions of one training, with fresh memory.

#' Callbacks
#'
#' What \code{\link{fit}} does before and after each epoch.
#'
#' @md
#' @param monitor The number to watch, a name in the history: `"val_loss"`,
#'   `"val_accuracy"`, `"loss"` ...
#' @param min_delta A smaller gain is none.
#' @param patience How many epochs without a gain to wait.
#' @param mode `"min"` if less is better, `"max"` if more is, `"auto"` to tell
#'   from the name: more accuracy is better, and more of anything called
#'   `cor`, `auc` or `r2`.
#' @param baseline The first value to beat, or `NULL`.
#' @param restore_best_weights Whether the model ends with the weights of its
#'   best epoch, not of its last.
#' @param verbose Whether to say what is done.
#' @param schedule A function of the number of the epoch, from 0, and of the
#'   learning rate before it, that returns the learning rate of the epoch. It
#'   may take the epoch alone.
#' @param factor What the learning rate is multiplied by.
#' @param cooldown Epochs to wait after a reduction.
#' @param min_lr The least learning rate.
#' @param filepath,filename The file; in `filepath`, `\{epoch\}` and the names
#'   of the history stand for their values, as in
#'   `"weights-\{epoch\}-\{val_loss\}.rds"`.
#' @param save_best_only Whether only gains are saved.
#' @param save_weights_only Whether weights are saved
#'   (\code{\link{load_model_weights}}), or the model (`readRDS()`).
#' @param separator,append Between columns; and whether an old file goes on.
#' @param log_dir The folder for TensorBoard, which must be installed in
#'   Python; `runs` is where it looks.
#' @param on_train_begin,on_train_end Functions of a list of logs.
#' @param on_epoch_begin,on_epoch_end Functions of the number of the epoch, from
#'   0, and of a list of logs: the history's numbers of this epoch.
#'
#' @return A list of class `waddington_callback`.
#' @details
#' A callback, or any code that runs between epochs, ends training by
#' `model$stop_training <- TRUE`. Schedules add a column `lr` to the history.
#' @examples
#' callback_early_stopping(monitor = "val_loss", patience = 5)
#' callback_learning_rate_scheduler(function(epoch, lr) {
#'     if (epoch < 10) lr else lr * 0.9
#' })
#' callback_lambda(on_epoch_end = function(epoch, logs) print(logs$loss))
#' @name callbacks
NULL

.callback <- function(type, ...) {
    structure(list(type = type, ...), class = "waddington_callback")
}

#' @export
print.waddington_callback <- function(x, ...) {
    options <- x[setdiff(names(x), "type")]
    plain <- Filter(function(v) is.atomic(v) && length(v) == 1L, options)
    writeLines(paste0(
        "<callback ", x$type, if (length(plain)) ": ",
        paste0(names(plain), " = ", vapply(plain, format, ""),
            collapse = ", "), ">"
    ))
    invisible(x)
}

#' @export
#' @rdname callbacks
callback_early_stopping <- function(
        monitor = "val_loss", min_delta = 0, patience = 0, verbose = 0,
        mode = c("auto", "min", "max"), baseline = NULL,
        restore_best_weights = FALSE) {
    call <- quote(callback_early_stopping())
    .callback(
        "early_stopping",
        monitor = monitor, min_delta = abs(min_delta),
        patience = .asCount(patience, "patience", call, low = 0),
        verbose = verbose, mode = match.arg(mode), baseline = baseline,
        restore_best_weights = .asFlag(
            restore_best_weights, "restore_best_weights", call
        )
    )
}

#' @export
#' @rdname callbacks
callback_learning_rate_scheduler <- function(schedule, verbose = 0) {
    if (!is.function(schedule)) {
        .abort(
            "{.arg schedule} must be a function of the epoch and the learning
             rate, not {.obj_type_friendly {schedule}}.",
            call = quote(callback_learning_rate_scheduler())
        )
    }
    .callback("learning_rate_scheduler", f = schedule, verbose = verbose)
}

#' @export
#' @rdname callbacks
callback_reduce_lr_on_plateau <- function(
        monitor = "val_loss", factor = 0.1, patience = 10, verbose = 0,
        mode = c("auto", "min", "max"), min_delta = 1e-4, cooldown = 0,
        min_lr = 0) {
    call <- quote(callback_reduce_lr_on_plateau())
    .callback(
        "reduce_lr_on_plateau",
        monitor = monitor,
        factor = .asNumber(factor, "factor", call, 0, 1, open = TRUE),
        patience = .asCount(patience, "patience", call, low = 0),
        verbose = verbose, mode = match.arg(mode),
        min_delta = abs(min_delta), cooldown = cooldown,
        min_lr = .asNumber(min_lr, "min_lr", call, 0)
    )
}

#' @export
#' @rdname callbacks
callback_model_checkpoint <- function(
        filepath, monitor = "val_loss", verbose = 0, save_best_only = FALSE,
        save_weights_only = FALSE, mode = c("auto", "min", "max")) {
    .callback(
        "model_checkpoint",
        filepath = filepath, monitor = monitor, verbose = verbose,
        save_best_only = save_best_only, min_delta = 0,
        save_weights_only = save_weights_only, mode = match.arg(mode)
    )
}

#' @export
#' @rdname callbacks
callback_csv_logger <- function(filename, separator = ",", append = FALSE) {
    .callback(
        "csv_logger",
        filename = filename, separator = separator, append = append
    )
}

#' @export
#' @rdname callbacks
callback_tensorboard <- function(log_dir = "runs") {
    .callback("tensorboard", log_dir = log_dir)
}

#' @export
#' @rdname callbacks
callback_lambda <- function(
        on_epoch_begin = NULL, on_epoch_end = NULL, on_train_begin = NULL,
        on_train_end = NULL) {
    .callback(
        "lambda",
        epoch_begin = on_epoch_begin, epoch_end = on_epoch_end,
        train_begin = on_train_begin, train_end = on_train_end
    )
}

.asCallbacks <- function(callbacks, call) {
    if (inherits(callbacks, "waddington_callback")) {
        callbacks <- list(callbacks)
    }
    good <- vapply(callbacks, inherits, NA, "waddington_callback")
    if (!all(good)) {
        .abort(
            "{.arg callbacks} must be a list of callbacks, such as
             {.fn callback_early_stopping}.",
            call = call
        )
    }
    callbacks
}

# Functions by event: epoch_begin(epoch), epoch_end(epoch, logs), ...
.hooksOf <- function(callback, run) {
    switch(callback$type,
        early_stopping = .earlyStopping(callback, run),
        learning_rate_scheduler = .rateSchedule(callback, run),
        reduce_lr_on_plateau = .rateOnPlateau(callback, run),
        model_checkpoint = .checkpoint(callback, run),
        csv_logger = .csvLogger(callback),
        tensorboard = .tensorBoard(callback),
        lambda = .lambdaHooks(callback)
    )
}

# A function of the logs: whether the number watched is better than ever.
.watch <- function(callback) {
    higher <- switch(callback$mode,
        min = FALSE, max = TRUE,
        auto = grepl("acc|cor|auc|r2", callback$monitor)
    )
    sign <- if (higher) -1 else 1
    best <- if (is.null(callback$baseline)) Inf else sign * callback$baseline
    function(logs) {
        value <- .watched(logs, callback$monitor)
        better <- sign * value < best - callback$min_delta
        if (better) best <<- sign * value
        better
    }
}

.watched <- function(logs, monitor) {
    if (is.null(logs[[monitor]])) {
        .abort(c(
            "{.arg monitor} is {.val {monitor}}, which the history doesn't
             have.",
            i = "It has {.val {names(logs)}}.",
            i = if (startsWith(monitor, "val_")) {
                "Give {.fn fit} {.arg validation_split} or
                 {.arg validation_data}."
            }
        ), call = quote(fit()))
    }
    logs[[monitor]]
}

.earlyStopping <- function(callback, run) {
    gained <- .watch(callback)
    waited <- 0L
    best <- NULL
    at <- 0L
    list(
        epoch_end = function(epoch, logs) {
            if (gained(logs)) {
                waited <<- 0L
                at <<- epoch
                if (callback$restore_best_weights) {
                    best <<- .callKeras("get_weights", run$session)
                }
                return()
            }
            waited <<- waited + 1L
            if (waited >= max(1L, callback$patience)) {
                environment(run$model)$stop_training <- TRUE
                if (callback$verbose) {
                    .inform("Epoch {epoch + 1}: early stopping.")
                }
            }
        },
        train_end = function(logs) {
            if (is.null(best)) return()
            .callKeras("put_weights", run$session, .asArrays(best))
            run$best_epoch <- at + 1L
        }
    )
}

.asArrays <- function(weights) {
    lapply(Filter(length, weights), function(layer) {
        lapply(layer, reticulate::np_array, "float32")
    })
}

.rateSchedule <- function(callback, run) {
    run$shows_rate <- TRUE
    f <- callback$f
    both <- length(formals(args(f))) > 1L
    list(epoch_begin = function(epoch) {
        rate <- if (both) f(epoch, run$rate) else f(epoch)
        good <- is.numeric(rate) && length(rate) == 1L && is.finite(rate) &&
            rate > 0
        if (!good) {
            .abort(
                "{.arg schedule} must return one positive number; for epoch
                 {epoch} it returned {.val {rate}}.",
                call = quote(callback_learning_rate_scheduler())
            )
        }
        run$rate <- as.numeric(rate)
        if (callback$verbose) {
            .inform("Epoch {epoch + 1}: learning rate {run$rate}.")
        }
    })
}

.rateOnPlateau <- function(callback, run) {
    run$shows_rate <- TRUE
    gained <- .watch(callback)
    waited <- rest <- 0L
    list(epoch_end = function(epoch, logs) {
        better <- gained(logs)
        if (rest > 0L) {
            rest <<- rest - 1L
            waited <<- 0L
        }
        if (better) {
            waited <<- 0L
        } else if (rest <= 0L) {
            waited <<- waited + 1L
        }
        if (waited >= max(1L, callback$patience)) {
            run$rate <- max(callback$min_lr, run$rate * callback$factor)
            waited <<- 0L
            rest <<- callback$cooldown
            if (callback$verbose) {
                .inform("Epoch {epoch + 1}: learning rate {run$rate}.")
            }
        }
    })
}

.checkpoint <- function(callback, run) {
    gained <- .watch(callback)
    list(epoch_end = function(epoch, logs) {
        if (callback$save_best_only && !gained(logs)) return()
        file <- .filledIn(callback$filepath, c(epoch = epoch + 1L, logs))
        .keepWeights(run$layers, .callKeras("get_weights", run$session))
        if (callback$save_weights_only) {
            save_model_weights(run$model, file)
        } else {
            saveRDS(run$model, file)
        }
        if (callback$verbose) {
            .inform("Epoch {epoch + 1}: saved {.file {file}}.")
        }
    })
}

# "{epoch}" and "{val_loss:.2f}" for their values.
.filledIn <- function(pattern, values) {
    for (name in names(values)) {
        value <- values[[name]]
        shown <- if (name == "epoch") {
            sprintf("%02d", as.integer(value))
        } else {
            sprintf("%.4f", value)
        }
        pattern <- gsub(paste0("\\{", name, "(:[^}]*)?\\}"), shown, pattern)
    }
    pattern
}

.csvLogger <- function(callback) {
    new <- !(callback$append && file.exists(callback$filename))
    list(epoch_end = function(epoch, logs) {
        utils::write.table(
            data.frame(epoch = epoch, logs), callback$filename,
            sep = callback$separator, row.names = FALSE, col.names = new,
            append = !new, quote = FALSE
        )
        new <<- FALSE
    })
}

.tensorBoard <- function(callback) {
    writer <- NULL
    list(
        train_begin = function(logs) {
            writer <<- .callKeras(
                "dashboard", path.expand(callback$log_dir),
                call = quote(callback_tensorboard())
            )
        },
        epoch_end = function(epoch, logs) {
            .callKeras("note", writer, logs, epoch)
        }
    )
}

.lambdaHooks <- function(callback) {
    hooks <- callback[c("epoch_end", "train_begin", "train_end")]
    begin <- callback$epoch_begin
    hooks$epoch_begin <- if (!is.null(begin)) {
        function(epoch) {
            if (length(formals(args(begin))) > 1L) {
                begin(epoch, list())
            } else {
                begin(epoch)
            }
        }
    }
    hooks
}
