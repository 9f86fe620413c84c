# R's arithmetic on torch's own tensors, for losses that can't be written down
# and are called with them. (reticulate has no arithmetic before 1.35.)

.operators <- c(
    "+" = "add", "-" = "sub", "*" = "mul", "/" = "truediv", "^" = "pow",
    ">" = "gt", ">=" = "ge", "<" = "lt", "<=" = "le", "==" = "eq",
    "!=" = "ne"
)

# The method of a tensor, or the function of a module, of that name.
.attributeOf <- function(x, name) do.call(`$`, list(x, name))

#' @export
Ops.torch.Tensor <- function(e1, e2) {
    operator <- reticulate::import("operator", convert = FALSE)
    if (missing(e2)) return(operator$neg(e1))
    .attributeOf(operator, .operators[[.Generic]])(e1, e2)
}

#' @export
Math.torch.Tensor <- function(x, ...) .attributeOf(x, .Generic)()

#' @export
Summary.torch.Tensor <- function(..., na.rm = FALSE) {
    .attributeOf(...elt(1), .Generic)()
}

#' @export
mean.torch.Tensor <- function(x, ...) x$mean()
