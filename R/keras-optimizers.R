# How weights move.

#' Optimisers
#'
#' For \code{\link{compile}}; each has a name too, such as `"adam"`.
#'
#' @md
#' @param learning_rate The size of a step.
#' @param lr The old name of `learning_rate`.
#' @param momentum Share of the last step in the next.
#' @param nesterov Whether the momentum is Nesterov's.
#' @param rho,beta_1,beta_2 How much running means remember, in \[0, 1).
#' @param epsilon A small number that is added to a divisor.
#' @param amsgrad Whether the largest mean square so far divides.
#' @param weight_decay Share of a weight that each step, times the learning
#'   rate, takes off.
#' @param clipnorm Largest length of the gradient of all weights, or `NULL`.
#'
#' @return A list of class `waddington_optimizer`.
#' @references
#' Kingma DP, Ba J (2015). Adam: a method for stochastic optimization.
#' \emph{ICLR}.
#'
#' Reddi SJ, Kale S, Kumar S (2018). On the convergence of Adam and beyond.
#' \emph{ICLR}.
#'
#' Loshchilov I, Hutter F (2019). Decoupled weight decay regularization.
#' \emph{ICLR}.
#'
#' Dozat T (2016). Incorporating Nesterov momentum into Adam. \emph{ICLR}
#' workshop.
#' @examples
#' optimizer_adam(learning_rate = 1e-3, amsgrad = TRUE)
#' @name optimizers
NULL

#' @export
#' @rdname optimizers
optimizer_sgd <- function(
        learning_rate = 0.01, momentum = 0, nesterov = FALSE, clipnorm = NULL,
        lr = NULL) {
    .optimizer(
        "sgd", "Sgd", lr %||% learning_rate, clipnorm,
        momentum = momentum, nesterov = nesterov
    )
}

#' @export
#' @rdname optimizers
optimizer_rmsprop <- function(
        learning_rate = 0.001, rho = 0.9, epsilon = 1e-7, clipnorm = NULL,
        lr = NULL) {
    .optimizer(
        "rmsprop", "RmsProp", lr %||% learning_rate, clipnorm,
        rho = rho, eps = epsilon
    )
}

#' @export
#' @rdname optimizers
optimizer_adam <- function(
        learning_rate = 0.001, beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7,
        amsgrad = FALSE, clipnorm = NULL, lr = NULL) {
    .optimizer(
        "adam", "Adam", lr %||% learning_rate, clipnorm,
        betas = list(beta_1, beta_2), eps = epsilon, amsgrad = amsgrad
    )
}

#' @export
#' @rdname optimizers
optimizer_adamw <- function(
        learning_rate = 0.001, weight_decay = 0.004, beta_1 = 0.9,
        beta_2 = 0.999, epsilon = 1e-7, amsgrad = FALSE, clipnorm = NULL) {
    .optimizer(
        "adamw", "Adam", learning_rate, clipnorm,
        betas = list(beta_1, beta_2), eps = epsilon, amsgrad = amsgrad,
        weight_decay = weight_decay, decoupled = TRUE
    )
}

#' @export
#' @rdname optimizers
optimizer_nadam <- function(
        learning_rate = 0.002, beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7,
        clipnorm = NULL) {
    .optimizer(
        "nadam", "Nadam", learning_rate, clipnorm,
        betas = list(beta_1, beta_2), eps = epsilon
    )
}

.optimizer <- function(name, part, rate, clip, ...) {
    call <- call(paste0("optimizer_", name))
    rate <- .asNumber(rate, "learning_rate", call, low = 0, open = TRUE)
    if (!is.null(clip)) {
        clip <- .asNumber(clip, "clipnorm", call, low = 0, open = TRUE)
    }
    more <- list(...)
    for (arg in setdiff(names(more), c("amsgrad", "nesterov", "decoupled"))) {
        for (value in more[[arg]]) {
            .asNumber(value, .kerasName(arg), call, low = 0)
        }
    }
    structure(
        list(
            name = name, learning_rate = rate,
            part = c(list(part = part, lr = rate, clip = clip), more)
        ),
        class = "waddington_optimizer"
    )
}

.kerasName <- function(arg) {
    switch(arg, eps = "epsilon", betas = "beta", arg)
}

.asOptimizer <- function(optimizer, call) {
    if (inherits(optimizer, "waddington_optimizer")) return(optimizer)
    known <- c("sgd", "rmsprop", "adam", "adamw", "nadam")
    name <- .oneOf(optimizer, known, "optimizer", call)
    get(paste0("optimizer_", name), mode = "function")()
}

#' @export
print.waddington_optimizer <- function(x, ...) {
    writeLines(format(x))
    invisible(x)
}

#' @export
format.waddington_optimizer <- function(x, ...) {
    paste0(
        "<optimizer ", x$name, ", learning rate ", format(x$learning_rate), ">"
    )
}
