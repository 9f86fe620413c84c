# Heads against R's own densities, in double precision: one cell, three genes.

densities <- paste(
    "import torch",
    "from waddington import likelihoods as heads",
    "from waddington.cells import Rows",
    "def log_prob(head, x, **values):",
    "    t = lambda v: torch.tensor([v], dtype=torch.float64)",
    "    at = [i for i, v in enumerate(x) if v]",
    "    long = lambda v: torch.tensor(v, dtype=torch.int64)",
    "    stored = torch.tensor([x[i] for i in at], dtype=torch.float64)",
    "    rows = Rows(long([0, len(at)]), long(at), stored, len(x))",
    "    values = {k: t(v) for k, v in values.items()}",
    "    made = head.distribution(library=None, **values)",
    "    return float(made.log_prob(rows))",
    sep = "\n"
)

test_that("heads agree with R's densities", {
    skip_if_no_python()
    asNamespace("waddington")$.bridge()
    py <- reticulate::py_run_string(densities)
    x <- c(0, 3, 41)
    mean <- c(0.4, 2, 30)
    theta <- c(0.5, 3, 12)
    none <- function(name) py$heads[[name]](library = "none")

    negbin <- dnbinom(x, size = theta, mu = mean)
    got <- py$log_prob(
        none("NegativeBinomial"), x, logits = log(mean), log_theta = log(theta)
    )
    expect_equal(got, sum(log(negbin)), tolerance = 1e-6)

    extra <- plogis(c(-1, 0.5, 2))
    got <- py$log_prob(
        none("ZeroInflatedNegativeBinomial"), x, logits = log(mean),
        log_theta = log(theta), zero_logits = qlogis(extra)
    )
    want <- sum(log(extra * (x == 0) + (1 - extra) * negbin))
    expect_equal(got, want, tolerance = 1e-6)

    got <- py$log_prob(none("Poisson"), x, logits = log(mean))
    expect_equal(got, sum(dpois(x, mean, log = TRUE)), tolerance = 1e-6)

    got <- py$log_prob(py$heads$NormalHead(sd = 0.7), x, mean = mean)
    expect_equal(got, sum(dnorm(x, mean, 0.7, log = TRUE)), tolerance = 1e-6)

    p <- c(0.2, 0.7, 0.5)
    got <- py$log_prob(py$heads$Bernoulli(), c(0, 1, 1), logits = qlogis(p))
    want <- sum(dbinom(c(0, 1, 1), 1, p, log = TRUE))
    expect_equal(got, want, tolerance = 1e-6)

    got <- py$log_prob(py$heads$Multinomial(), x, logits = log(mean))
    want <- dmultinom(x, prob = mean, log = TRUE)
    expect_equal(got, want, tolerance = 1e-6)
})
