# What a model is to minimise, and how; and the whole as terms for the core.

#' @importFrom generics compile
#' @export
generics::compile

#' @importFrom generics fit
#' @export
generics::fit

#' Say what a model is to minimise
#'
#' Gives a model its loss, its optimiser and its metrics. It changes the model
#' in place.
#'
#' @md
#' @param object A model of \code{\link{keras_model_sequential}} or
#'   \code{\link{keras_model}}.
#' @param optimizer A name, such as `"adam"`, or one of
#'   \code{\link{optimizers}}.
#' @param loss A name, such as `"mse"`; one of \code{\link{losses}}; or a
#'   function of the tensors `y_true` and `y_pred` that returns one number per
#'   sample, or one in all. For several outputs, a list of as many.
#' @param metrics What to report beside: names such as `"accuracy"`, functions,
#'   and \code{\link{custom_metric}}s.
#' @param loss_weights For several outputs, the weight of each.
#' @param ... Nothing; a misspelt argument is an error.
#'
#' @return The model, invisibly.
#'
#' @details
#' A loss of your own is called once, by \code{\link{fit}}, and what it does to
#' the tensors is written down (see \code{\link{backend}}). It may use tensors
#' of the model, as the loss of a variational autoencoder uses means and log
#' variances. A function that can't be written down, as it calls methods of
#' torch's tensors (`y_pred$pow(2)`), is called with them at each step: that is
#' slower, and Ctrl-C works between steps only.
#' @examples
#' model <- keras_model_sequential(input_shape = 4) %>%
#'     layer_dense(units = 3, activation = "softmax")
#' model %>% compile(
#'     optimizer = optimizer_adam(amsgrad = TRUE),
#'     loss = "categorical_crossentropy",
#'     metrics = c("accuracy")
#' )
#' @method compile waddington_model
#' @export
compile.waddington_model <- function(
        object, optimizer = "rmsprop", loss = NULL, metrics = NULL,
        loss_weights = NULL, ...) {
    call <- quote(compile())
    .noDots(..., known = c(
        "optimizer", "loss", "metrics", "loss_weights"
    ), call = call)
    if (is.null(loss)) {
        .abort(c(
            "{.arg loss} is missing.",
            i = "Give a name, such as {.val categorical_crossentropy} or
                 {.val mse}."
        ), call = call)
    }
    bare <- is.function(loss) || !is.list(loss) ||
        inherits(loss, "waddington_loss")
    losses <- lapply(if (bare) list(loss) else loss, .asLoss, call = call)
    environment(object)$compiled <- list(
        optimizer = .asOptimizer(optimizer, call),
        losses = losses, metrics = .asMetrics(metrics, call),
        weights = as.numeric(loss_weights %||% rep(1, length(losses)))
    )
    invisible(object)
}

.noDots <- function(..., known, call) {
    given <- ...names()
    if (!...length()) return(invisible())
    if (is.null(given) || !any(nzchar(given))) {
        .abort("There are more arguments than {.fn {call[[1]]}} takes.",
            call = call)
    }
    given <- given[nzchar(given)][1]
    far <- utils::adist(given, known)[1L, ]
    .abort(c(
        "There is no argument {.arg {given}}.",
        i = if (min(far) <= 3) "Did you mean {.arg {known[which.min(far)]}}?"
    ), call = call)
}

.compiledOf <- function(model, call) {
    if (is.null(model$compiled)) {
        name <- model$name
        .abort(c(
            "Model {.val {name}} has nothing to minimise yet.",
            i = "Say what: {.code model %>% compile(loss = \"mse\",
                 optimizer = \"adam\")}.",
            i = "Layers that are added later make it forget."
        ), class = "not_compiled", call = call)
    }
    model$compiled
}

# Everything the core needs to train a model: list(graph, terms, layers, ...).
.programOf <- function(model, call, sparse = character()) {
    compiled <- .compiledOf(model, call)
    outputs <- .outputsOf(model)
    losses <- .oneForEach(compiled$losses, outputs, call)
    aims <- lapply(seq_along(outputs), function(i) {
        .aimOf(model, outputs[[i]], losses[[i]], i, compiled, call)
    })
    extra <- unlist(lapply(aims, `[[`, "extra"), recursive = FALSE)
    .checkConnected(.inputsOf(model), extra, call)
    graph <- .graphOf(.inputsOf(model), outputs, extra, sparse)
    terms <- unlist(lapply(aims, function(aim) {
        lapply(aim$terms, .termOf, graph = graph)
    }), recursive = FALSE)
    names <- make.unique(vapply(terms, `[[`, "", "name"), sep = "_")
    terms <- Map(function(x, name) utils::modifyList(x, list(name = name)),
        terms, names)
    list(
        graph = graph, layers = graph$layers, losses = losses,
        terms = c(unname(terms), list(list(part = "Penalty"))),
        shown = .shownNames(terms, compiled, outputs),
        optimizer = compiled$optimizer
    )
}

.oneForEach <- function(losses, outputs, call) {
    if (length(losses) == 1L) return(rep(losses, length(outputs)))
    if (length(losses) != length(outputs)) {
        .abort(
            "There are {length(losses)} losses for {length(outputs)}
             output{?s}.",
            call = call
        )
    }
    losses
}

# The losses of several outputs are shown one by one, after their sum.
.shownNames <- function(terms, compiled, outputs) {
    names <- vapply(terms, `[[`, "", "name")
    if (length(outputs) == 1L) setdiff(names, "loss") else names
}

.targetName <- function(i) paste0("(target ", i, ")")

# The terms of one output, and the tensors of the model that they read.
.aimOf <- function(model, output, loss, i, compiled, call) {
    several <- length(.outputsOf(model)) > 1L
    prefix <- if (several) paste0(.describe(output), "_") else ""
    weights <- rep_len(compiled$weights, i)
    things <- c(
        list(c(loss, list(weight = weights[i]))),
        lapply(compiled$metrics, function(m) {
            if (identical(m$kind, "accuracy")) {
                m$kind <- .accuracyFor(loss, output$shape)
            }
            c(m, list(weight = 0))
        })
    )
    terms <- lapply(things, function(thing) {
        thing$name <- paste0(prefix, thing$name)
        thing$output <- output
        thing$target <- .targetName(i)
        thing$learnt <- .learntBy(model, thing, output, i)
        if (is.null(thing$f)) thing else .traced(thing, output, call)
    })
    extra <- unlist(lapply(terms, function(x) {
        c(x$learnt, if (!is.null(x$tensor)) .capturedBy(x$tensor))
    }), recursive = FALSE)
    list(terms = terms, extra = extra)
}

# The vectors that a likelihood learns beside: layers that the model keeps.
.learntBy <- function(model, thing, output, i) {
    wanted <- .likelihoods[[thing$kind %||% ""]]
    state <- environment(model)
    lapply(names(wanted), function(name) {
        key <- paste(thing$kind, i, name)
        state$learnt[[key]] <- state$learnt[[key]] %||% .newLayer(
            "free", list(n = prod(output$shape), start = wanted[[name]]),
            paste0("(", name, ")")
        )
        .newTensor(
            "layer",
            shape = output$shape, layer = state$learnt[[key]],
            name = paste0("(", name, " ", i, ")")
        )
    })
}

# A function written down; or kept, if it does what can't be.
.traced <- function(thing, output, call) {
    holder <- function(name) {
        .newTensor("placeholder", shape = output$shape, name = name)
    }
    made <- tryCatch(
        thing$f(holder("y_true"), holder("y_pred")),
        error = function(e) {
            if (inherits(e, "waddington_error")) rlang::cnd_signal(e)
            NULL
        }
    )
    if (inherits(made, "waddington_loss")) made <- NULL
    if (is.null(made)) return(thing)
    if (!.isTensor(made)) {
        .abort(
            "{.val {thing$name}} must return a tensor, not
             {.obj_type_friendly {made}}.",
            class = "wrong_loss", call = call
        )
    }
    good <- length(made$shape) == 0L || identical(made$shape, "scalar") ||
        identical(as.integer(made$shape), 1L)
    if (thing$weight > 0 && !good) {
        .abort(c(
            "{.val {thing$name}} must return one number per sample, or one in
             all.",
            x = "It returns {made$shape} per sample.",
            i = "Average over features: {.code k_mean(..., axis = -1)}."
        ), class = "wrong_loss", call = call)
    }
    thing$tensor <- made
    thing
}

.termOf <- function(thing, graph) {
    name <- function(tensor) unname(graph$names[.id(tensor)])
    term <- list(
        part = "Compared", name = thing$name, output = name(thing$output),
        target = thing$target, weight = thing$weight
    )
    if (!is.null(thing$tensor)) {
        term$operations <- .operationsOf(thing$tensor, graph$names)
    } else if (!is.null(thing$f)) {
        term$kind <- .keepFunction(thing$f)
    } else {
        term$kind <- thing$kind
        term$learnt <- lapply(thing$learnt, name)
    }
    term
}

# Python calls the function by this name.
.keepFunction <- function(f) {
    name <- paste0("R function ", rlang::hash(f))
    .callKeras("know", name, reticulate::r_to_py(f, convert = FALSE))
    name
}
