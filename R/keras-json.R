# A model as the parts that the core knows: nested lists, and their JSON.

.json <- function(parts) {
    as.character(jsonlite::toJSON(
        parts,
        auto_unbox = TRUE, digits = NA, null = "null", na = "null"
    ))
}

# What computes `tensors`: list(part, names by tensor id, layers by name).
.graphOf <- function(inputs, outputs, extra = list(), sparse = character()) {
    tensors <- .sorted(c(inputs, outputs, extra))
    ids <- vapply(tensors, .id, "")
    names <- stats::setNames(.uniqueNames(tensors), ids)
    fed <- Filter(function(x) x$kind == "input", tensors)
    found <- .learnersOf(tensors, extra)
    nodes <- lapply(
        Filter(function(x) x$kind != "input", tensors), .nodeOf,
        names = names, learners = found$names
    )
    outputNames <- unname(names[vapply(outputs, .id, "")])
    list(
        part = list(
            part = "Graph",
            inputs = as.list(unname(names[vapply(fed, .id, "")])),
            layers = unname(found$parts), nodes = nodes,
            outputs = as.list(outputNames), sparse = as.list(sparse)
        ),
        names = names, layers = found$layers, outputs = outputNames
    )
}

.uniqueNames <- function(tensors) {
    make.unique(vapply(tensors, .describe, ""), sep = "_")
}

# Each layer that computes something, once: layers and parts by unique name.
.learnersOf <- function(tensors, extra) {
    used <- Filter(function(x) !is.null(.partOf(x$layer)), tensors)
    ids <- vapply(used, function(x) .layerId(x$layer), "")
    used <- used[!duplicated(ids)]
    names <- make.unique(
        vapply(used, function(x) x$layer$name, ""),
        sep = "_"
    )
    list(
        names = stats::setNames(names, unique(ids)),
        layers = stats::setNames(lapply(used, `[[`, "layer"), names),
        parts = Map(.learnerOf, used, names)
    )
}

.learnerOf <- function(tensor, name) {
    layer <- tensor$layer
    args <- layer$args
    sizes <- if (length(tensor$inputs)) prod(tensor$inputs[[1]]$shape) else 1
    part <- list(
        part = "Learner", name = name, layer = .partOf(layer),
        n_in = as.integer(sizes), trainable = layer$trainable
    )
    if (layer$type %in% c("dense", "masked_dense")) {
        part$bias <- args$use_bias
        part$kernel <- .startOf(args$kernel_initializer)
        part$constants <- .startOf(args$bias_initializer)
        part$kernel_cost <- .costOf(args$kernel_regularizer)
        part$bias_cost <- .costOf(args$bias_regularizer)
        part$activity_cost <- .costOf(args$activity_regularizer)
    }
    part
}

.startOf <- function(initializer) {
    c(list(part = "Start"), unclass(initializer))
}

.costOf <- function(regularizer) {
    list(regularizer$l1 %||% 0, regularizer$l2 %||% 0)
}

# The layer part of the core, or NULL where nothing is to be computed by one.
.partOf <- function(layer) {
    if (is.null(layer)) return(NULL)
    args <- layer$args
    switch(layer$type,
        dense = list(part = "Dense", units = args$units, act = args$activation),
        masked_dense = list(
            part = "Masked", mask = .rowsAsLists(args$mask),
            act = args$activation
        ),
        dropout = list(part = "Dropout", rate = args$rate),
        activation = ,
        re_lu = ,
        softmax = list(part = "Activation", act = args$activation),
        elu = ,
        leaky_re_lu = list(
            part = "Slope", act = args$activation, alpha = args$alpha
        ),
        batch_normalization = list(
            part = "BatchNorm", momentum = args$momentum, eps = args$epsilon,
            center = args$center, scale = args$scale
        ),
        layer_normalization = list(
            part = "LayerNorm", eps = args$epsilon, center = args$center,
            scale = args$scale
        ),
        gaussian_noise = list(part = "Noise", sd = args$stddev),
        free = list(part = "Free", n = args$n),
        NULL
    )
}

.rowsAsLists <- function(mask) {
    lapply(seq_len(nrow(mask)), function(i) as.list(unname(mask[i, ])))
}

# The output of a layer as a Node, or, where no layer is needed, an Operation.
.nodeOf <- function(tensor, names, learners) {
    name <- unname(names[.id(tensor)])
    layer <- tensor$layer
    if (tensor$kind == "op") return(.operationOf(tensor, name, names))
    if (!is.null(.partOf(layer))) {
        return(list(
            part = "Node", name = name,
            layer = unname(learners[.layerId(layer)]),
            input = if (length(tensor$inputs)) {
                unname(names[.id(tensor$inputs[[1]])])
            } else {
                ""
            }
        ))
    }
    kind <- if (layer$type %in% c("flatten", "lambda")) {
        "identity"
    } else {
        layer$type
    }
    c(
        list(
            part = "Operation", name = name, kind = kind,
            inputs = .inputNames(tensor, names)
        ),
        if (kind == "sampling") list(a = layer$args$sd)
    )
}

.operationOf <- function(tensor, name, names) {
    args <- tensor$args
    args$columns <- if (length(args$columns)) as.list(args$columns)
    c(
        list(
            part = "Operation", name = name, kind = tensor$op,
            inputs = .inputNames(tensor, names)
        ),
        args[!vapply(args, is.null, NA)]
    )
}

# Tensors by name; numbers as they are, vectors as lists.
.inputNames <- function(tensor, names) {
    lapply(unname(tensor$inputs), function(x) {
        if (.isTensor(x)) {
            unname(names[.id(x)])
        } else if (length(x) > 1L) {
            as.list(as.numeric(x))
        } else {
            as.numeric(x)
        }
    })
}

# What a loss does to y_true, y_pred and tensors of the graph, as Operations.
.operationsOf <- function(tensor, known) {
    names <- known
    found <- list()
    visit <- function(x) {
        if (!.isTensor(x) || !is.na(names[.id(x)])) return()
        if (x$kind == "placeholder") {
            names[.id(x)] <<- x$name
            return()
        }
        for (input in x$inputs) visit(input)
        name <- paste0("(", length(found) + 1L, ")")
        names[.id(x)] <<- name
        found <<- c(found, list(.operationOf(x, name, names)))
    }
    visit(tensor)
    if (!length(found)) {
        found <- list(list(
            part = "Operation", name = "(1)", kind = "identity",
            inputs = list(unname(names[.id(tensor)]))
        ))
    }
    found
}

# Tensors of a model's layers that a traced function reads.
.capturedBy <- function(tensor) {
    found <- list()
    seen <- new.env()
    visit <- function(x) {
        if (!.isTensor(x) || exists(.id(x), seen)) return()
        assign(.id(x), TRUE, seen)
        if (x$kind %in% c("layer", "input")) {
            found <<- c(found, list(x))
        } else {
            for (input in x$inputs) visit(input)
        }
    }
    visit(tensor)
    found
}

# A stack for the recipes: dense, normalisation, activation and dropout that
# follow one another are one Dense of the core.
.stackOf <- function(model, arg = "encoder", call = NULL) {
    if (!.isSequential(model) || !length(model$layers)) {
        .abort(c(
            "{.arg {arg}} must be a model of {.fn keras_model_sequential} with
             layers, not {.obj_type_friendly {model}}."
        ), call = call)
    }
    parts <- list()
    for (layer in model$layers) {
        last <- length(parts)
        joined <- if (last) .folded(parts[[last]], layer)
        if (is.null(joined)) {
            parts <- c(parts, list(.stackPart(layer, arg, call)))
        } else {
            parts[[last]] <- joined
        }
    }
    list(part = "Stack", layers = parts)
}

.stackPart <- function(layer, arg, call) {
    part <- .partOf(layer)
    lost <- c(
        if (isFALSE(layer$args$use_bias)) "use_bias",
        names(Filter(
            function(x) inherits(x, "waddington_regularizer"), layer$args
        ))
    )
    if (length(lost)) {
        .warn("{.arg {arg}}: {.val {lost}} of layer {.val {layer$name}} mean
            nothing in a recipe and are left out.")
    }
    if (is.null(part) && layer$type != "flatten") {
        .abort(
            "{.arg {arg}} can't have layer {.val {layer$name}}; a recipe takes
             dense layers, dropout, activations, normalisation and noise.",
            call = call
        )
    }
    part
}

# `part` with `layer` in it, or NULL if the order of things forbids that:
# a Dense does norm, act and dropout in this order.
.folded <- function(part, layer) {
    if (part$part != "Dense" || !is.null(part$dropout)) return(NULL)
    free <- part$act == "linear"
    switch(layer$type,
        batch_normalization = if (free && is.null(part$norm) &&
            .isUsualNorm(layer)) {
            utils::modifyList(part, list(norm = "batch"))
        },
        activation = ,
        re_lu = ,
        softmax = if (free) {
            utils::modifyList(part, list(act = layer$args$activation))
        },
        dropout = utils::modifyList(part, list(dropout = layer$args$rate)),
        NULL
    )
}

# Whether it is what the core calls batch normalisation.
.isUsualNorm <- function(layer) {
    args <- layer$args
    args$momentum == 0.99 && args$epsilon == 1e-3 && args$center && args$scale
}

.stackJSON <- function(model, arg = "encoder", call = NULL) {
    .json(.stackOf(model, arg, call))
}
