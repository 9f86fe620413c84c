# What models, layers and tensors look like when they are printed.

#' The table of a model
#'
#' Prints the layers of a model, the shapes of their outputs, and how many
#' numbers each learns.
#'
#' @md
#' @param object,x A model.
#' @param line_length Width of the table, in characters.
#' @param ... Not used.
#' @return The model, invisibly.
#' @details `None` in a shape stands for the number of samples.
#' @examples
#' model <- keras_model_sequential(input_shape = 784) %>%
#'     layer_dense(units = 784, activation = "relu") %>%
#'     layer_dropout(rate = 0.4) %>%
#'     layer_dense(units = 10, activation = "softmax")
#' summary(model)
#' @export
#' @rdname summary.waddington_model
summary.waddington_model <- function(
        object, line_length = min(getOption("width"), 80L), ...) {
    writeLines(.tableOf(object, line_length))
    invisible(object)
}

#' @export
#' @rdname summary.waddington_model
print.waddington_model <- function(x, ...) {
    writeLines(.tableOf(x, min(getOption("width"), 80L)))
    invisible(x)
}

#' @export
format.waddington_model <- function(x, ...) {
    .tableOf(x, min(getOption("width"), 80L))
}

.tableOf <- function(model, width) {
    title <- paste0("Model: \"", model$name, "\"")
    if (is.null(.outputsOf(model)[[1]])) return(c(title, .unbuilt(model)))
    rows <- .rowsOf(model)
    shown <- .inColumns(rows, width)
    counts <- .countParams(model)
    number <- function(x) format(x, big.mark = ",", scientific = FALSE)
    c(
        title, strrep("_", width), shown[1], strrep("=", width),
        shown[-1], strrep("=", width),
        paste("Total params:", number(sum(counts))),
        paste("Trainable params:", number(counts[1])),
        paste("Non-trainable params:", number(counts[2])),
        strrep("_", width)
    )
}

# Before the size of the input is known there are names only.
.unbuilt <- function(model) {
    layers <- model$layers
    if (!length(layers)) return("(no layers yet)")
    c(
        vapply(layers, function(x) {
            paste0("  ", x$name, " (", .className(x$type), ")")
        }, ""),
        "(no input_shape yet: sizes are known at fit())"
    )
}

.inColumns <- function(rows, width) {
    at <- round(width * c(0.45, 0.36))
    at <- c(at, width - sum(at))
    line <- function(...) {
        cells <- c(...)
        cells <- substring(cells, 1, pmax(at - 1L, 1L))
        sub(" +$", "", paste(sprintf("%-*s", at, cells), collapse = ""))
    }
    c(
        line("Layer (type)", "Output Shape", "Param #"),
        vapply(rows, function(row) {
            line(
                paste0(row$name, " (", row$kind, ")"),
                paste0("(None, ", paste(row$shape, collapse = ", "), ")"),
                format(sum(row$params), big.mark = ",", scientific = FALSE)
            )
        }, "")
    )
}

#' @export
print.waddington_layer <- function(x, ...) {
    writeLines(format(x))
    invisible(x)
}

#' @export
format.waddington_layer <- function(x, ...) {
    paste0("<layer ", x$name, " (", .className(x$type), ")>")
}

#' @export
print.waddington_tensor <- function(x, ...) {
    writeLines(format(x))
    invisible(x)
}

#' @export
format.waddington_tensor <- function(x, ...) {
    shape <- if (identical(x$shape, "scalar")) {
        "()"
    } else {
        paste0("(", toString(c("None", x$shape)), ")")
    }
    paste0("<tensor ", .describe(x), ", shape ", shape, ">")
}
