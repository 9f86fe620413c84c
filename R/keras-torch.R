# R's arithmetic on torch's own tensors, for losses that can't be written down
# and are called with them. (reticulate has no arithmetic before 1.35.)

.operators <- c(
    "+" = "add", "-" = "sub", "*" = "mul", "/" = "truediv", "^" = "pow",
    ">" = "gt", ">=" = "ge", "<" = "lt", "<=" = "le", "==" = "eq",
    "!=" = "ne"
)

#' @export
Ops.torch.Tensor <- function(e1, e2) {
    operator <- reticulate::import("operator", convert = FALSE)
    if (missing(e2)) return(operator$neg(e1))
    operator[[.operators[[.Generic]]]](e1, e2)
}

#' @export
Math.torch.Tensor <- function(x, ...) x[[.Generic]]()

#' @export
Summary.torch.Tensor <- function(..., na.rm = FALSE) {
    ...elt(1)[[.Generic]]()
}

#' @export
mean.torch.Tensor <- function(x, ...) x$mean()
