# fit(), evaluate() and predict(): where Python starts. R drives the epochs.

# Functions of python/waddington/keras_bridge.py; errors as .callBridge() has.
.callKeras <- function(name, ..., call = NULL) {
    if (is.null(.state$keras)) {
        .bridge(call)
        .state$keras <- reticulate::import_from_path(
            "waddington.keras_bridge", .corePath(),
            convert = FALSE
        )
    }
    .answered(.state$keras[[name]](...), call)
}

.answered <- function(answer, call) {
    answer <- reticulate::py_to_r(answer)
    for (text in as.character(unlist(answer$warnings))) {
        .warn("{text}", class = "waddington_UserWarning")
    }
    if (!is.null(answer$error)) {
        if (identical(answer$error$class, "KeyboardInterrupt")) {
            .signalInterrupt()
        }
        .abortPython(answer$error, call)
    }
    answer$value
}

.newSeed <- function() {
    as.integer(stats::runif(1L, 0, .Machine$integer.max))
}

#' Train a model
#'
#' Trains a model that \code{\link{compile}} has given a loss, for some epochs.
#' The model changes in place: `fit()` again goes on.
#'
#' @md
#' @param object A model.
#' @param x Data: a matrix with samples in rows; an array, samples first; a
#'   sparse matrix of package Matrix, cells in rows; or a
#'   SingleCellExperiment, cells in columns. For several inputs a list,
#'   by the names of the inputs or in their order.
#' @param y What to predict, as `x`, or a vector, or a factor, for whose levels
#'   the model has outputs; for several outputs a list. If `x` is a
#'   SingleCellExperiment, also the name of a column of its `colData`.
#' @param batch_size Samples per step; `NULL` is 32.
#' @param epochs Passes over the data.
#' @param verbose 0 is silent, 1 a progress bar, 2 one line per epoch; `NULL` is
#'   1, but 0 in a report.
#' @param callbacks A list of \code{\link{callbacks}}.
#' @param validation_split Share of the samples, the last ones, that are held
#'   out and scored after each epoch.
#' @param validation_data Data to score instead: `list(x, y)`.
#' @param shuffle Whether each epoch has an order of its own.
#' @param class_weight Weights of the classes, named by their numbers from 0.
#' @param sample_weight Weights of the samples in the loss.
#' @param initial_epoch How many epochs were done before, for schedules.
#' @param assay.type Which assay of a SingleCellExperiment; `NULL` is
#'   `"logcounts"`, or `"counts"` if there is none.
#' @param ... Nothing; a misspelt argument is an error.
#'
#' @return The history, of class \code{\link{waddington_history}}, invisibly.
#'
#' @details
#' `set.seed()` before `fit()` makes it reproducible. Ctrl-C keeps what was
#' learnt so far. A last minibatch of one sample joins the one before it.
#' @examplesIf waddington::waddingtonAvailable()
#' x <- as.matrix(iris[, 1:4])
#' model <- keras_model_sequential() %>%
#'     layer_dense(units = 16, activation = "relu", input_shape = 4) %>%
#'     layer_dense(units = 3, activation = "softmax")
#' model %>% compile(
#'     loss = "categorical_crossentropy", optimizer = optimizer_adam(0.01),
#'     metrics = "accuracy"
#' )
#' set.seed(1)
#' history <- model %>% fit(x, to_categorical(iris$Species), epochs = 20)
#' history
#' model %>% evaluate(x, iris$Species)
#' head(predict(model, x))
#' @method fit waddington_model
#' @export
fit.waddington_model <- function(
        object, x = NULL, y = NULL, batch_size = NULL, epochs = 10,
        verbose = NULL, callbacks = NULL, validation_split = 0,
        validation_data = NULL, shuffle = TRUE, class_weight = NULL,
        sample_weight = NULL, initial_epoch = 0, assay.type = NULL, ...) {
    call <- quote(fit())
    .noDots(..., known = names(formals(fit.waddington_model)), call = call)
    .compiledOf(object, call)
    epochs <- .asCount(epochs, "epochs", call)
    size <- .asCount(batch_size %||% 32, "batch_size", call, low = 2)
    callbacks <- .asCallbacks(callbacks, call)
    all <- .samplesOf(
        object, x, y, sample_weight, class_weight, assay.type, call
    )
    parts <- .splitSamples(
        all, object, validation_split, validation_data, assay.type, call
    )
    program <- .programOf(object, call, .sparseNames(all$inputs))
    made <- .madeOf(program, size, .asFlag(shuffle, "shuffle", call))
    run <- .newRun(object, program, made, parts, epochs, initial_epoch, call)
    .runEpochs(run, callbacks, .loudness(verbose), call)
}

# Inputs, targets and weights of samples, checked: list(inputs, data, n).
.samplesOf <- function(
        object, x, y, sample_weight, class_weight, assay.type, call) {
    if (is.null(x)) .abort("{.arg x} is missing.", call = call)
    if (rlang::is_string(y) && methods::is(x, "SummarizedExperiment")) {
        y <- .columnOf(x, y, "y", call)
    }
    .shapeFromData(object, x, assay.type, call)
    inputs <- .asInputs(x, object, assay.type, call)
    n <- .nSamples(inputs[[1]])
    for (one in inputs) .checkSamples(.nSamples(one), n, "x", call)
    losses <- .oneForEach(
        .compiledOf(object, call)$losses, .outputsOf(object), call
    )
    targets <- .asTargets(y, object, losses, n, assay.type, call)
    weight <- .asSampleWeight(sample_weight, class_weight, targets, n, call)
    list(inputs = inputs, data = c(inputs, targets, weight), n = n)
}

# A sequential model that was told no size takes that of the data.
.shapeFromData <- function(model, x, assay.type, call) {
    if (!.isSequential(model) || !is.null(.tensorsOf(model))) {
        return(invisible())
    }
    if (!length(model$layers)) .checkBuilt(model, call)
    environment(model)$input_shape <- if (length(dim(x)) > 2L) {
        dim(x)[-1]
    } else {
        .nFeatures(.asData(x, "x", assay.type, call))
    }
}

# Samples to train on and to score: list(train, held), held NULL if none.
.splitSamples <- function(all, object, split, given, assay.type, call) {
    split <- .asShare(split, "validation_split", call)
    if (!is.null(given)) {
        if (!is.list(given) || length(given) < 2L) {
            .abort(
                "{.arg validation_data} must be {.code list(x, y)}.",
                call = call
            )
        }
        held <- .samplesOf(
            object, given[[1]], given[[2]],
            if (length(given) > 2L) given[[3]], NULL, assay.type, call
        )
        return(list(train = all, held = held))
    }
    k <- floor(all$n * (1 - split))
    if (k == all$n) return(list(train = all, held = NULL))
    if (k < 2L) {
        .abort(
            "{.arg validation_split} leaves {k} of {all$n} samples to train
             on.",
            call = call
        )
    }
    take <- function(index) {
        list(data = lapply(all$data, .takeSamples, index), n = length(index))
    }
    list(train = take(seq_len(k)), held = take(seq(k + 1L, all$n)))
}

.sparseNames <- function(inputs) {
    names(Filter(.isSparse, inputs))
}

.madeOf <- function(program, size, shuffle = TRUE) {
    list(
        graph = .json(program$graph$part), terms = .json(program$terms),
        optimiser = .json(program$optimizer$part), batch_size = size,
        shuffle = shuffle
    )
}

# 0 silent, 1 a bar, 2 lines.
.loudness <- function(verbose) {
    if (is.null(verbose) || identical(verbose, "auto")) {
        return(if (.isVerbose(NULL)) 1L else 0L)
    }
    as.integer(verbose)
}

# A training in progress, which callbacks see and steer.
.newRun <- function(object, program, made, parts, epochs, before, call) {
    run <- new.env(parent = emptyenv())
    run$model <- object
    run$layers <- program$layers
    run$shown <- program$shown
    run$epochs <- epochs
    run$epoch <- before <- as.integer(before)
    run$samples <- parts$train$n
    run$held <- parts$held$n
    run$rate <- program$optimizer$learning_rate
    run$batch_size <- made$batch_size
    run$history <- list()
    run$session <- .callKeras(
        "start", made, .toPython(parts$train$data),
        if (!is.null(parts$held)) .toPython(parts$held$data),
        .weightsOf(program$layers), .newSeed(), .sessionOf(object),
        call = call
    )
    run
}

# The session before, whose optimiser goes on; gone after readRDS().
.sessionOf <- function(model) {
    session <- model$session
    alive <- !is.null(session) && !reticulate::py_is_null_xptr(session)
    if (alive) session else NULL
}

# The epochs; callbacks before and after each. Ctrl-C ends them.
.runEpochs <- function(run, callbacks, loud, call) {
    state <- environment(run$model)
    state$stop_training <- FALSE
    hooks <- lapply(callbacks, .hooksOf, run = run)
    .tell(hooks, "train_begin", list())
    bar <- .newBar(run, loud)
    status <- tryCatch({
        while (run$epoch < run$epochs && !isTRUE(state$stop_training)) {
            .oneEpoch(run, hooks, bar, loud, call)
        }
        "done"
    }, interrupt = function(e) "interrupted")
    bar(NULL)
    .tell(hooks, "train_end", list())
    .keepWeights(
        run$layers, .callKeras("get_weights", run$session, call = call)
    )
    state$session <- run$session
    if (status == "interrupted") {
        .inform("Interrupted after epoch {run$epoch}; the model is kept.")
    }
    invisible(.newHistory(run, status))
}

.oneEpoch <- function(run, hooks, bar, loud, call) {
    .tell(hooks, "epoch_begin", run$epoch)
    .callKeras("set_rate", run$session, run$rate)
    repeat {
        state <- .callKeras("advance", run$session, 0.1, call = call)
        if (state != "more") break
        bar(.callKeras("progress", run$session))
    }
    if (state == "broke") {
        environment(run$model)$stop_training <- TRUE
        return(invisible())
    }
    logs <- .logsOf(run, .callKeras("rows", run$session, call = call))
    for (name in names(logs)) {
        run$history[[name]] <- c(run$history[[name]], logs[[name]])
    }
    run$epoch <- run$epoch + 1L
    bar(0)
    .tell(hooks, "epoch_end", run$epoch - 1L, logs)
    line <- .epochLine(run, logs)
    if (loud == 2L) .inform("{line}")
}

.tell <- function(hooks, event, ...) {
    for (hook in hooks) if (!is.null(hook[[event]])) hook[[event]](...)
}

# loss, metrics, val_loss, val_metrics, and the rate where one is steered.
.logsOf <- function(run, rows) {
    logs <- .shownOf(rows[["training"]], run$shown)
    held <- rows[["held out"]]
    if (!is.null(held)) {
        held <- .shownOf(held, run$shown)
        logs <- c(logs, stats::setNames(held, paste0("val_", names(held))))
    }
    if (isTRUE(run$shows_rate)) logs$lr <- run$rate
    logs
}

.shownOf <- function(row, shown) {
    c(list(loss = row$objective), row[shown])
}

.epochLine <- function(run, logs) {
    values <- vapply(logs, format, "", digits = 4)
    paste0(
        "Epoch ", run$epoch, "/", run$epochs, ": ",
        paste0(names(logs), " ", values, collapse = ", ")
    )
}

# A function of the share of the epoch that is done; NULL ends the bar.
.newBar <- function(run, loud) {
    if (loud != 1L) return(function(share) invisible())
    id <- cli::cli_progress_bar(
        "Training", total = run$epochs - run$epoch, clear = TRUE,
        .auto_close = FALSE
    )
    first <- run$epoch
    function(share) {
        if (is.null(share)) return(cli::cli_progress_done(id))
        cli::cli_progress_update(set = run$epoch - first + share, id = id)
    }
}

#' Score a model, and ask it
#'
#' `evaluate()` has the loss and the metrics of a model on data, `predict()`
#' what it says of them.
#'
#' @md
#' @param object The model.
#' @inheritParams fit.waddington_model
#' @return `evaluate()` a named numeric vector. `predict()` a matrix, one row
#'   per sample with its name, one column per feature of the output; a list of
#'   them for several outputs.
#' @details Layers that were never trained get random weights at the first
#'   question, and keep them.
#' @examplesIf waddington::waddingtonAvailable()
#' model <- keras_model_sequential(input_shape = 4) %>%
#'     layer_dense(units = 2)
#' predict(model, as.matrix(iris[1:3, 1:4]))
#' @export
evaluate <- function(object, ...) {
    UseMethod("evaluate")
}

#' @rdname evaluate
#' @export
evaluate.waddington_model <- function(
        object, x = NULL, y = NULL, batch_size = NULL, verbose = NULL,
        sample_weight = NULL, assay.type = NULL, ...) {
    call <- quote(evaluate())
    known <- names(formals(evaluate.waddington_model))
    .noDots(..., known = known, call = call)
    size <- .asCount(batch_size %||% 32, "batch_size", call, low = 2)
    .compiledOf(object, call)
    samples <- .samplesOf(
        object, x, y, sample_weight, NULL, assay.type, call
    )
    program <- .programOf(object, call, .sparseNames(samples$inputs))
    .ensureWeights(program$graph, call)
    values <- .callKeras(
        "evaluate", .madeOf(program, size), .toPython(samples$data),
        .weightsOf(program$layers), .newSeed(),
        call = call
    )
    unlist(.shownOf(values, program$shown))
}

#' @export
#' @importFrom stats predict
stats::predict

#' @rdname evaluate
#' @export
predict.waddington_model <- function(
        object, x, batch_size = NULL, verbose = NULL, assay.type = NULL,
        ...) {
    call <- quote(predict())
    known <- names(formals(predict.waddington_model))
    .noDots(..., known = known, call = call)
    size <- .asCount(batch_size %||% 256, "batch_size", call)
    .shapeFromData(object, x, assay.type, call)
    inputs <- .asInputs(x, object, assay.type, call)
    graph <- .graphOf(
        .inputsOf(object), .outputsOf(object),
        sparse = .sparseNames(inputs)
    )
    .ensureWeights(graph, call)
    found <- .callKeras(
        "ask", .json(graph$part), .toPython(inputs),
        .weightsOf(graph$layers), size, .newSeed(),
        call = call
    )
    found <- lapply(found, `rownames<-`, .sampleNames(inputs[[1]]))
    if (length(found) == 1L) found[[1]] else found
}
