# Generated from the Python recipes by inst/scripts/make-recipes.py: no edits.

#' Recipes: what can be trained
#'
#' A recipe says what a model is made of and how it is trained: layers, the
#' bottleneck, the distribution of the counts, the terms of the objective, the
#' phases. Give one to \code{\link{trainVAE}} or \code{\link{trainGAN}}.
#'
#' \describe{
#' \item{\code{\link{autoencoder}()}}{The plain autoencoder, shallow or deep}
#' \item{\code{\link{vae}()}}{The variational autoencoder}
#' \item{\code{\link{exercise_vae}()}}{The lecture's own VAE, of log
#' expression}
#' \item{\code{\link{cvae}()}}{The conditional variational autoencoder}
#' \item{\code{\link{scvi}()}}{scVI: a VAE of counts}
#' \item{\code{\link{scanvi}()}}{scANVI: scVI with a prior that knows cell
#' types, and a classifier on its latent space}
#' \item{\code{\link{linear_scvi}()}}{scVI with a linear decoder: every latent
#' dimension has a loading for each gene}
#' \item{\code{\link{wgan}()}}{WGAN-GP: a generator of counts or of log
#' expression, and a critic}
#' \item{\code{\link{scgen}()}}{scGen: a VAE whose latent space is flat enough
#' for responses to be vectors in it}
#' \item{\code{\link{trvae}()}}{trVAE: a conditional VAE whose conditions are
#' aligned on the first decoder layer}
#' \item{\code{\link{cpa}()}}{CPA: perturbations as vectors that add up in
#' latent space}
#' \item{\code{\link{gan}()}}{GAN: a generator of counts or of log expression,
#' and a discriminator}
#' \item{\code{\link{scgan}()}}{scGAN, and with labels cscGAN: WGAN-GP whose
#' generator knows cell types and library sizes}
#' \item{\code{\link{adversarial_vae}()}}{scVI whose latent space must not
#' tell batches apart}
#' \item{\code{\link{scpoli}()}}{scPoli: batches as points in a space of their
#' own, and types as prototypes}
#' \item{\code{\link{autozi}()}}{AutoZI: which genes have more zeros than a
#' negative binomial makes}
#' \item{\code{\link{saucie}()}}{SAUCIE: two dimensions to look at, clusters
#' from a layer that is on or off, batches aligned}
#' \item{\code{\link{cardec}()}}{CarDEC: genes of high and of low variance
#' apart, standardised within batches, and centres}
#' }
#'
#' Arguments \code{encoder} and \code{decoder}, where a recipe has them, also
#' take layers written as \code{keras_model_sequential() \%>\% layer_dense(64)}.
#'
#' @name recipes
#' @aliases recipe
#' @examples
#' scvi(n_latent = 20)
NULL

#' The plain autoencoder, shallow or deep
#'
#' A code of each cell from which its data can be had back; nothing shapes the
#' code.
#'
#' With \code{hidden = list()} and a normal likelihood it is linear, and finds
#' the space of principal components.
#'
#' @param n_latent Dimensions of the code.
#' @param hidden Units of the encoder's hidden layers; the decoder's are the
#'   same, reversed.
#' @param likelihood \code{"nb"}, \code{"zinb"}, \code{"poisson"} or
#'   \code{"multinomial"} for raw counts, \code{"normal"} for log-normalised
#'   values, \code{"bernoulli"} for 0 and 1.
#' @param dropout Share of hidden units that is left out in each step of
#'   training.
#' @param encoder A stack of layers in the place of \code{hidden}; \code{NULL}
#'   makes one.
#' @param decoder The same for the decoder.
#' @param learning_rate Of Adam, at the peak of its cycle; up to four times as
#'   much, in proportion, in runs of fewer than 120 epochs.
#' @param epochs Passes over the cells; \code{NULL} is as many as make 3,000
#'   updates, 8 to 400.
#'
#' @return A recipe, for \code{\link{trainVAE}} or \code{\link{trainGAN}}: a
#'   list of class \code{waddington_recipe} that prints.
#'
#' @references
#' Hinton and Salakhutdinov (2006), Science 313, 504. Eraslan et al. (2019),
#' Nature Communications 10, 390, for counts.
#'
#' @seealso \link{recipes} for the others.
#' @examples
#' autoencoder()
#' @export
autoencoder <- function(n_latent = 10, hidden = 128, likelihood = "nb",
        dropout = 0.0, encoder = NULL, decoder = NULL,
        learning_rate = 0.002, epochs = NULL) {
    .recipeCall("autoencoder")
}

#' The variational autoencoder
#'
#' data ~ head(f(z)), z ~ N(0, prior_sd): a smooth map of cell states.
#'
#' @param n_latent Dimensions of z.
#' @param hidden Units of the encoder's hidden layers; the decoder's are the
#'   same, reversed.
#' @param likelihood \code{"nb"}, \code{"zinb"}, \code{"poisson"} or
#'   \code{"multinomial"} for raw counts, \code{"normal"} for log-normalised
#'   values, \code{"bernoulli"} for 0 and 1.
#' @param beta Weight of the divergence from the prior: 1 is the evidence
#'   lower bound, less reconstructs better, more disentangles. Log likelihoods
#'   are summed over genes.
#' @param capacity With it, the term is beta * |KL - C|, where C grows to
#'   \code{capacity} nats.
#' @param prior_sd Standard deviation of the prior.
#' @param warm_up Fraction of the run in which beta (or C) grows from 0.
#' @param dropout Share of hidden units that is left out in each step of
#'   training.
#' @param encoder A stack of layers in the place of \code{hidden}; \code{NULL}
#'   makes one.
#' @param decoder The same for the decoder.
#' @param learning_rate Of Adam, at the peak of its cycle; up to four times as
#'   much, in proportion, in runs of fewer than 120 epochs.
#' @param epochs Passes over the cells; \code{NULL} is as many as make 3,000
#'   updates, 8 to 400.
#'
#' @return A recipe, for \code{\link{trainVAE}} or \code{\link{trainGAN}}: a
#'   list of class \code{waddington_recipe} that prints.
#'
#' @references
#' Kingma and Welling (2014), ICLR. Higgins et al. (2017), ICLR, for beta > 1.
#' Liang et al. (2018), WWW, for beta < 1. Burgess et al. (2018),
#' arXiv:1804.03599, for the capacity.
#'
#' @seealso \link{recipes} for the others.
#' @examples
#' vae()
#' @export
vae <- function(n_latent = 10, hidden = 128, likelihood = "nb", beta = 1.0,
        capacity = NULL, prior_sd = 1.0, warm_up = 0.25, dropout = 0.1,
        encoder = NULL, decoder = NULL, learning_rate = 0.002,
        epochs = NULL) {
    .recipeCall("vae")
}

#' The lecture's own VAE, of log expression
#'
#' x ~ N(relu(f(z)), 1), z ~ N(0, prior_sd); x is log2(counts per 10,000 + 1).
#'
#' The learning rate burns in, climbs, and drops twice; with other
#' \code{epochs} in proportion.
#'
#' @param n_latent Dimensions of z; hidden layers are 8, 4 and 2 times as
#'   wide.
#' @param prior_sd Standard deviation of the prior.
#' @param beta Weight of the divergence from the prior. The exercise averages
#'   squared errors over its 1,222 genes and weighs the mean divergence by
#'   0.1: 0.1 * 1222 / (2 * 32) = 1.9 here.
#' @param encoder A stack of layers in the place of its own; \code{NULL} makes
#'   that.
#' @param decoder The same for the decoder.
#' @param batch_size Cells per minibatch.
#' @param patience Epochs without a better held-out objective before training
#'   stops.
#' @param epochs Passes over the cells.
#'
#' @return A recipe, for \code{\link{trainVAE}} or \code{\link{trainGAN}}: a
#'   list of class \code{waddington_recipe} that prints.
#'
#' @references
#' fmicompbio/adv_scrnaseq_2020, DGNs exercise.
#'
#' @seealso \link{recipes} for the others.
#' @examples
#' exercise_vae()
#' @export
exercise_vae <- function(n_latent = 32, prior_sd = 0.8, beta = 1.9,
        encoder = NULL, decoder = NULL, batch_size = 512, patience = 125,
        epochs = 1000) {
    .recipeCall("exercise_vae")
}

#' The conditional variational autoencoder
#'
#' data ~ head(f(z, condition)), z ~ N(0, 1): what the condition explains need
#' not be in z.
#'
#' Encoder and decoder receive the condition in every layer. A cell decoded
#' with another level is that cell as if it had been in that condition.
#'
#' @param condition A categorical column of the cells, or several.
#' @param covariates Continuous columns, given to the layers likewise.
#' @param n_latent Dimensions of z.
#' @param hidden Units of the encoder's hidden layers; the decoder's are the
#'   same, reversed.
#' @param likelihood \code{"nb"}, \code{"zinb"}, \code{"poisson"} or
#'   \code{"multinomial"} for raw counts, \code{"normal"} for log-normalised
#'   values, \code{"bernoulli"} for 0 and 1.
#' @param beta Weight of the divergence from the prior.
#' @param warm_up Fraction of the run in which beta grows from 0.
#' @param dropout Share of hidden units that is left out in each step of
#'   training.
#' @param encoder A stack of layers in the place of \code{hidden}; \code{NULL}
#'   makes one.
#' @param decoder The same for the decoder.
#' @param learning_rate Of Adam, at the peak of its cycle; up to four times as
#'   much, in proportion, in runs of fewer than 120 epochs.
#' @param epochs Passes over the cells; \code{NULL} is as many as make 3,000
#'   updates, 8 to 400.
#'
#' @return A recipe, for \code{\link{trainVAE}} or \code{\link{trainGAN}}: a
#'   list of class \code{waddington_recipe} that prints.
#'
#' @references
#' Sohn et al. (2015), NeurIPS 28.
#'
#' @seealso \link{recipes} for the others.
#' @examples
#' cvae()
#' @export
cvae <- function(condition = "condition", covariates = list(),
        n_latent = 10, hidden = 128, likelihood = "nb", beta = 1.0,
        warm_up = 0.25, dropout = 0.1, encoder = NULL, decoder = NULL,
        learning_rate = 0.002, epochs = NULL) {
    .recipeCall("cvae")
}

#' scVI: a VAE of counts
#'
#' counts ~ NB(library * softmax(f(z, batch)), theta), z ~ N(0, 1).
#'
#' @param batch A categorical column whose effect is to stay out of z, or
#'   several; \code{NULL} is none.
#' @param covariates Continuous columns, given to the decoder likewise.
#' @param n_latent Dimensions of z.
#' @param n_hidden Units of each hidden layer.
#' @param n_layers Hidden layers of the encoder, and of the decoder.
#' @param likelihood \code{"nb"}; \code{"zinb"} where there are more zeros
#'   than counts of this depth explain, which is rare for UMIs; or
#'   \code{"poisson"}.
#' @param dispersion Whether theta is one number per \code{"gene"}, per gene
#'   and level of the (first) batch (\code{"gene-batch"}) or of another column
#'   (\code{"gene-"} and its name), or per \code{"gene-cell"}.
#' @param library The \code{"observed"} total of a cell; \code{"latent"},
#'   inferred, with a log-normal prior for each level of the (first) batch; a
#'   \code{"size_factor"} of yours; or \code{"none"}.
#' @param dropout Share of the encoder's hidden units that is left out in each
#'   step of training.
#' @param warm_up Fraction of the run in which the weight of the divergence
#'   grows from 0 to 1.
#' @param encode_covariates Whether the encoder sees batch and covariates too.
#' @param inject Whether \code{"every"} layer receives them, or the
#'   \code{"first"} of each stack only.
#' @param n_embedding Dimensions of the learnt points that stand for levels,
#'   the same for all layers; 0 gives each level a row of its own in every
#'   layer. For hundreds of levels.
#' @param standardise Whether the encoder reads log shares standardised within
#'   levels of the (first) batch, in the place of log counts: batches mix
#'   better, and rare genes count as much as others, at two to three times the
#'   time per update. It also takes away how batches differ in composition. A
#'   batch that is mapped later has the scale of all cells.
#' @param encoder A stack of layers in the place of \code{n_hidden} and
#'   \code{n_layers}; \code{NULL} makes one.
#' @param decoder The same for the decoder.
#' @param learning_rate Of Adam, at the peak of its cycle; up to four times as
#'   much, in proportion, in runs of fewer than 120 epochs.
#' @param epochs Passes over the cells; \code{NULL} is as many as make 3,000
#'   updates, 8 to 400.
#' @param schedule \code{"one-cycle"}; or \code{"scvi-tools"}, which is that
#'   package's for comparisons, and wants a learning_rate of 0.001.
#'
#' @return A recipe, for \code{\link{trainVAE}} or \code{\link{trainGAN}}: a
#'   list of class \code{waddington_recipe} that prints.
#'
#' @references
#' Lopez et al. (2018), Nature Methods 15, 1053.
#'
#' @seealso \link{recipes} for the others.
#' @examples
#' scvi()
#' @export
scvi <- function(batch = NULL, covariates = list(), n_latent = 10,
        n_hidden = 128, n_layers = 1, likelihood = "nb",
        dispersion = "gene", library = "observed", dropout = 0.1,
        warm_up = 0.25, encode_covariates = FALSE, inject = "every",
        n_embedding = 0, standardise = FALSE, encoder = NULL,
        decoder = NULL, learning_rate = 0.002, epochs = NULL,
        schedule = "one-cycle") {
    .recipeCall("scvi")
}

#' scANVI: scVI with a prior that knows cell types, and a classifier on its
#' latent space
#'
#' As scVI, and z ~ N(f(z2, y), g(z2, y)), z2 ~ N(0, 1), y uniform over the
#' labels.
#'
#' Cells of unknown label ("") are summed over all labels, weighed by the
#' classifier q(y | z).
#'
#' @param labels The column of labels; "" where unknown.
#' @param batch A categorical column whose effect is to stay out of z, or
#'   several; \code{NULL} is none.
#' @param covariates Continuous columns, given to the decoder likewise.
#' @param n_latent Dimensions of z.
#' @param n_hidden Units of each hidden layer.
#' @param n_layers Hidden layers of the encoder, and of the decoder.
#' @param likelihood \code{"nb"}, \code{"zinb"} or \code{"poisson"}.
#' @param dispersion \code{"gene"}, \code{"gene-cell"}, \code{"gene-batch"},
#'   \code{"gene-label"}, or \code{"gene-"} and the name of another column.
#' @param library The \code{"observed"} total of a cell, \code{"latent"} (see
#'   \code{scvi()}), a \code{"size_factor"} of yours, or \code{"none"}.
#' @param alpha Weight of the classification of labelled cells. A large one
#'   pulls types apart.
#' @param dropout Share of the encoder's hidden units that is left out in each
#'   step of training.
#' @param warm_up Fraction of the run in which the weight of z2 and y grows
#'   from 0 to 1.
#' @param encode_covariates Whether the encoder sees batch and covariates too.
#' @param encoder A stack of layers in the place of \code{n_hidden} and
#'   \code{n_layers}; \code{NULL} makes one.
#' @param decoder The same for the decoder.
#' @param learning_rate Of Adam, at the peak of its cycle; up to four times as
#'   much, in proportion, in runs of fewer than 120 epochs.
#' @param epochs Passes over the cells; \code{NULL} is as many as make 3,000
#'   updates, 8 to 400.
#' @param schedule \code{"one-cycle"}; or \code{"scvi-tools"}, which is that
#'   package's for comparisons, and wants a learning_rate of 0.001.
#'
#' @return A recipe, for \code{\link{trainVAE}} or \code{\link{trainGAN}}: a
#'   list of class \code{waddington_recipe} that prints.
#'
#' @references
#' Xu et al. (2021), Molecular Systems Biology 17, e9620.
#'
#' @seealso \link{recipes} for the others.
#' @examples
#' scanvi()
#' @export
scanvi <- function(labels = "cell_type", batch = NULL, covariates = list(),
        n_latent = 30, n_hidden = 128, n_layers = 2, likelihood = "nb",
        dispersion = "gene", library = "observed", alpha = 50.0,
        dropout = 0.1, warm_up = 0.25, encode_covariates = FALSE,
        encoder = NULL, decoder = NULL, learning_rate = 0.002,
        epochs = NULL, schedule = "one-cycle") {
    .recipeCall("scanvi")
}

#' scVI with a linear decoder: every latent dimension has a loading for each
#' gene
#'
#' counts ~ NB(library * softmax(W z + batch), theta), z ~ N(0, 1).
#'
#' Loadings W are log-fold changes of a gene's share per unit of z; a constant
#' added to all genes of a dimension changes nothing.
#'
#' @param batch A categorical column whose effect is to stay out of z, or
#'   several; \code{NULL} is none.
#' @param covariates Continuous columns, given to the decoder likewise.
#' @param n_latent Dimensions of z.
#' @param n_hidden Units of each hidden layer of the encoder.
#' @param n_layers Hidden layers of the encoder.
#' @param likelihood \code{"nb"}, \code{"zinb"} or \code{"poisson"}.
#' @param dispersion \code{"gene"}, \code{"gene-cell"}, \code{"gene-batch"},
#'   or \code{"gene-"} and the name of another column.
#' @param dropout Share of the encoder's hidden units that is left out in each
#'   step of training.
#' @param warm_up Fraction of the run in which the weight of the divergence
#'   grows from 0 to 1.
#' @param learning_rate Of Adam, at the peak of its cycle; up to four times as
#'   much, in proportion, in runs of fewer than 120 epochs.
#' @param epochs Passes over the cells; \code{NULL} is as many as make 3,000
#'   updates, 8 to 400.
#'
#' @return A recipe, for \code{\link{trainVAE}} or \code{\link{trainGAN}}: a
#'   list of class \code{waddington_recipe} that prints.
#'
#' @references
#' Svensson et al. (2020), Bioinformatics 36, 3418.
#'
#' @seealso \link{recipes} for the others.
#' @examples
#' linear_scvi()
#' @export
linear_scvi <- function(batch = NULL, covariates = list(), n_latent = 10,
        n_hidden = 128, n_layers = 1, likelihood = "nb",
        dispersion = "gene", dropout = 0.1, warm_up = 0.25,
        learning_rate = 0.002, epochs = NULL) {
    .recipeCall("linear_scvi")
}

#' WGAN-GP: a generator of counts or of log expression, and a critic
#'
#' Cells from z ~ N(0, 1), as close to the data as a critic of slope one can
#' tell.
#'
#' It generates; it has no encoder. From counts (\code{"nb"} or
#' \code{"poisson"}) it makes counts: f(z) is the log of their means, how deep
#' a cell is among what z says, and the critic sees log(1 + count) of draws,
#' so that zeros are zeros on both sides; gradients pass through draws (see
#' \code{likelihoods.rates.draw_logs}). From values (\code{"normal"}) it makes
#' values, relu(f(z)); log-normalised cells of that kind are told from real
#' ones by their zeros. The command \code{tests/benchmarks/evaluate_gan.py}
#' compares them.
#'
#' @param n_latent Dimensions of z.
#' @param generator Units of the generator's hidden layers.
#' @param critic Units of the critic's hidden layers.
#' @param n_critic Steps of the critic to each of the generator.
#' @param penalty Weight of the gradient penalty.
#' @param learning_rate Of Adam, of both players, at the start; it falls along
#'   a cosine.
#' @param batch_size Cells per minibatch.
#' @param updates Steps of the critic, where \code{epochs} is \code{NULL}.
#' @param epochs Passes over the cells.
#' @param likelihood \code{"nb"} or \code{"poisson"} for counts,
#'   \code{"normal"} for values.
#'
#' @return A recipe, for \code{\link{trainVAE}} or \code{\link{trainGAN}}: a
#'   list of class \code{waddington_recipe} that prints.
#'
#' @references
#' Gulrajani et al. (2017), NeurIPS 30. Ghahramani et al. (2018), bioRxiv
#' 262501, for cells.
#'
#' @seealso \link{recipes} for the others.
#' @examples
#' wgan()
#' @export
wgan <- function(n_latent = 64, generator = c(128, 256), critic = c(256,
        128), n_critic = 5, penalty = 10.0, learning_rate = 0.0005,
        batch_size = 64, updates = 10000, epochs = NULL, likelihood = "nb") {
    .recipeCall("wgan")
}

#' scGen: a VAE whose latent space is flat enough for responses to be vectors
#' in it
#'
#' data ~ head(f(z)), z hardly regularised; a response is a shift of z.
#'
#' Layers, sizes, dropout, learning rate, batch size, patience and epochs are
#' those of the authors' code and tutorials. Their loss is half of the squared
#' error plus 5e-5 divergences; half of a squared error is the negative log
#' likelihood of unit variance, so beta is half of their 5e-5 here. As there,
#' the last state is kept and not the best one. It differs in one thing:
#' training stops by held-out reconstruction, and not by the whole objective,
#' which ends it early and costs much of the accuracy. The decoder of real
#' numbers starts at random, as theirs does, where other recipes start at the
#' means of the genes; for counts it starts there too.
#'
#' @param n_latent Dimensions of z.
#' @param hidden Units of the encoder's hidden layers, with leaky ReLU and
#'   batch normalisation; the decoder's are the same, reversed.
#' @param likelihood \code{"normal"} for log-normalised values, as the authors
#'   do; \code{"nb"} for raw counts, with the library of each cell, which
#'   \code{predict_perturbation} makes better use of.
#' @param beta Weight of the divergence from the prior.
#' @param dropout Share of hidden units that is left out in each step of
#'   training.
#' @param encoder A stack of layers in the place of \code{hidden}; \code{NULL}
#'   makes one.
#' @param decoder The same for the decoder.
#' @param learning_rate Of Adam.
#' @param batch_size Cells per minibatch.
#' @param patience Epochs without a better held-out reconstruction before
#'   training stops.
#' @param epochs Passes over the cells.
#'
#' @return A recipe, for \code{\link{trainVAE}} or \code{\link{trainGAN}}: a
#'   list of class \code{waddington_recipe} that prints.
#'
#' @references
#' Lotfollahi et al. (2019), Nature Methods 16, 715.
#'
#' @seealso \link{recipes} for the others.
#' @examples
#' scgen()
#' @export
scgen <- function(n_latent = 100, hidden = c(800, 800),
        likelihood = "normal", beta = 2.5e-05, dropout = 0.2,
        encoder = NULL, decoder = NULL, learning_rate = 0.001,
        batch_size = 32, patience = 25, epochs = 100) {
    .recipeCall("scgen")
}

#' trVAE: a conditional VAE whose conditions are aligned on the first decoder
#' layer
#'
#' data ~ head(f(z, condition)), z ~ N(0, 1), f's first layer alike in all
#' conditions.
#'
#' Sizes, layer normalisation, dropout, likelihood and beta are those of the
#' authors' later code; \code{aligned} is that of their paper. It differs in
#' one thing: the condition reaches every layer of the decoder, and not the
#' first alone, which then would have to tell conditions apart that it is
#' asked to make alike. So the discrepancy falls by four fifths and more at
#' the same likelihood, and left-out types of stimulated blood cells are
#' decoded better.
#'
#' The paper's own model of log-normalised values is \code{trvae(likelihood =
#' "normal", hidden = c(128, 128), dropout = 0.1, beta = 4e-4, mmd = 2000)}
#' for 2,000 genes: its weights 50, 1e-4 and 50 of the error's mean over
#' genes, the divergence's mean over dimensions and the discrepancy are 1,
#' 1e-4 * genes / (50 * n_latent) and \code{genes} on this package's scale.
#' Their decay of weights is left out: it pulls the profile of a count head to
#' the uniform one. \code{mmd} is their later 1 on a kernel of 3 widths
#' instead of 19, times enough to be felt beside a likelihood that is a sum
#' over genes. Three times as much makes z collapse on small data;
#' \code{active} in the summary says so.
#'
#' @param condition The column whose levels are aligned.
#' @param covariates Continuous columns, given to encoder and decoder
#'   likewise.
#' @param n_latent Dimensions of z.
#' @param hidden Units of the encoder's hidden layers; the decoder's are the
#'   same, reversed.
#' @param likelihood \code{"nb"} or \code{"zinb"} for raw counts, with a
#'   dispersion per condition; \code{"normal"} for log-normalised values.
#' @param beta Weight of the divergence from the prior.
#' @param mmd Weight of the discrepancy between conditions.
#' @param aligned The activation that is aligned: \code{"rna.decoder.0"}, or
#'   \code{"z"}. With \code{"z"}, types that occur in one condition only are
#'   pulled onto others.
#' @param dropout Share of hidden units that is left out in each step of
#'   training.
#' @param encoder A stack of layers in the place of \code{hidden}; \code{NULL}
#'   makes one.
#' @param decoder The same for the decoder.
#' @param learning_rate Of Adam.
#' @param epochs Passes over the cells; \code{NULL} is as many as make 6,000
#'   updates, 8 to 400.
#'
#' @return A recipe, for \code{\link{trainVAE}} or \code{\link{trainGAN}}: a
#'   list of class \code{waddington_recipe} that prints.
#'
#' @references
#' Lotfollahi et al. (2020), Bioinformatics 36, i610.
#'
#' @seealso \link{recipes} for the others.
#' @examples
#' trvae()
#' @export
trvae <- function(condition = "condition", covariates = list(),
        n_latent = 10, hidden = c(256, 64), likelihood = "nb", beta = 1.0,
        mmd = 30.0, aligned = "rna.decoder.0", dropout = 0.05,
        encoder = NULL, decoder = NULL, learning_rate = 0.001,
        epochs = NULL) {
    .recipeCall("trvae")
}

#' CPA: perturbations as vectors that add up in latent space
#'
#' data ~ head(f(z + sum of effects)), where z tells nothing of the
#' perturbation.
#'
#' An opponent tells the perturbation from z, and the encoder learns to leave
#' it nothing to tell. Effects add up, so combinations and doses that were
#' never tried can be decoded; an interaction of two perturbations is what
#' this can't know.
#'
#' The opponent's penalty and layers (64, 64, 64) are those of the authors'
#' later code. Their networks are larger (256, 256, 256 and 128 dimensions,
#' made for 100,000 cells and more), their opponent moves three times as often
#' (\code{steps = 3}), and they weigh it by 1, or by 60 in their first code.
#' Here z has a posterior and a prior (\code{beta = 0} makes it a point, as
#' theirs): it then costs something to say in z what the effects say already.
#' With a point the opponent alone has to see to that, and on small data it
#' does not; the tests compare both.
#'
#' @param perturbation The column of perturbations; \code{"A+B"} is a
#'   combination.
#' @param control Its level of unperturbed cells.
#' @param dose A column of doses, as text: \code{"0.5"}, or \code{"1+0.5"} for
#'   \code{"A+B"}; \code{NULL} is one dose.
#' @param covariates Categorical columns, such as cell types, that add to z
#'   likewise.
#' @param n_latent Dimensions of z.
#' @param hidden Units of the encoder's hidden layers; the decoder's are the
#'   same, reversed.
#' @param likelihood \code{"nb"}, \code{"zinb"} or \code{"poisson"} for raw
#'   counts, \code{"normal"} for log-normalised values.
#' @param beta Weight of the divergence of z from its prior; 0 makes z a
#'   point.
#' @param adversary Weight of the opponents in the encoder's objective. Too
#'   much of it takes the cell types out of z.
#' @param penalty Weight of the gradient penalty in the opponents' own.
#' @param steps Moves of the opponents to each of the network.
#' @param dropout Share of hidden units that is left out in each step of
#'   training.
#' @param graph Pairs of perturbations that are linked, because they act
#'   alike: with them, one that was never tried is predicted from its
#'   neighbours, as by GEARS.
#' @param shared Share of the neighbours in what a linked perturbation adds to
#'   z.
#' @param encoder A stack of layers in the place of \code{hidden}; \code{NULL}
#'   makes one.
#' @param decoder The same for the decoder.
#' @param learning_rate Of Adam, of all players.
#' @param epochs Passes over the cells; \code{NULL} is as many as make 6,000
#'   updates, 8 to 400.
#'
#' @return A recipe, for \code{\link{trainVAE}} or \code{\link{trainGAN}}: a
#'   list of class \code{waddington_recipe} that prints.
#'
#' @references
#' Lotfollahi et al. (2023), Molecular Systems Biology 19, e11517.
#'
#' @seealso \link{recipes} for the others.
#' @examples
#' cpa()
#' @export
cpa <- function(perturbation = "condition", control = "control",
        dose = NULL, covariates = list(), n_latent = 32, hidden = c(128,
        128), likelihood = "nb", beta = 1.0, adversary = 10.0,
        penalty = 1.0, steps = 1, dropout = 0.1, graph = list(),
        shared = 0.5, encoder = NULL, decoder = NULL, learning_rate = 0.001,
        epochs = NULL) {
    .recipeCall("cpa")
}

#' GAN: a generator of counts or of log expression, and a discriminator
#'
#' Cells from z ~ N(0, 1), so that a discriminator takes them for data.
#'
#' The game as it was first played, with the loss for the generator that does
#' not saturate. It may lose modes, and its loss tells nothing; \code{wgan} is
#' what to use. Layers are those of \code{wgan}, so that the two can be
#' compared; learning rate and first moment are those that made such games
#' stable.
#'
#' @param n_latent Dimensions of z.
#' @param generator Units of the generator's hidden layers.
#' @param discriminator Units of the discriminator's hidden layers.
#' @param learning_rate Of Adam, of both players.
#' @param batch_size Cells per minibatch.
#' @param updates Steps of either player, where \code{epochs} is \code{NULL}.
#' @param epochs Passes over the cells.
#' @param likelihood \code{"nb"} or \code{"poisson"} for counts,
#'   \code{"normal"} for values; see \code{wgan}.
#'
#' @return A recipe, for \code{\link{trainVAE}} or \code{\link{trainGAN}}: a
#'   list of class \code{waddington_recipe} that prints.
#'
#' @references
#' Goodfellow et al. (2014), NeurIPS 27. Radford et al. (2016), ICLR, for the
#' optimiser.
#'
#' @seealso \link{recipes} for the others.
#' @examples
#' gan()
#' @export
gan <- function(n_latent = 64, generator = c(128, 256),
        discriminator = c(256, 128), learning_rate = 0.0002,
        batch_size = 64, updates = 10000, epochs = NULL, likelihood = "nb") {
    .recipeCall("gan")
}

#' scGAN, and with labels cscGAN: WGAN-GP whose generator knows cell types and
#' library sizes
#'
#' Cells from z ~ N(0, 1) and a type, as close to the data of each type as a
#' critic can tell.
#'
#' Sizes, batch normalisation of the generator, none in the critic, penalty,
#' steps of the critic and optimiser are those of the authors. Theirs makes
#' normalised counts behind a layer that makes them add up, this one counts or
#' values as \code{wgan} does; their million steps are \code{updates}. Types
#' make up training as they do the data; \code{sample(model, cell_type = ...)}
#' makes more of one.
#'
#' @param cell_type The column of types that cells are made of; \code{NULL}
#'   makes any.
#' @param n_latent Dimensions of z.
#' @param generator Units of the generator's hidden layers, each of which is
#'   told the type.
#' @param critic Units of the critic's hidden layers.
#' @param n_critic Steps of the critic to each of the generator.
#' @param penalty Weight of the gradient penalty.
#' @param learning_rate Of Adam, of both players.
#' @param batch_size Cells per minibatch.
#' @param updates Steps of the critic, where \code{epochs} is \code{NULL}.
#' @param epochs Passes over the cells.
#' @param likelihood \code{"nb"} or \code{"poisson"} for counts,
#'   \code{"normal"} for values; see \code{wgan}.
#'
#' @return A recipe, for \code{\link{trainVAE}} or \code{\link{trainGAN}}: a
#'   list of class \code{waddington_recipe} that prints.
#'
#' @references
#' Marouf et al. (2020), Nature Communications 11, 166.
#'
#' @seealso \link{recipes} for the others.
#' @examples
#' scgan()
#' @export
scgan <- function(cell_type = NULL, n_latent = 128, generator = c(256, 512,
        1024), critic = c(1024, 512, 256), n_critic = 5, penalty = 10.0,
        learning_rate = 0.0001, batch_size = 128, updates = 20000,
        epochs = NULL, likelihood = "nb") {
    .recipeCall("scgan")
}

#' scVI whose latent space must not tell batches apart
#'
#' As scVI; a classifier of batches reads z, and the encoder is paid for its
#' mistakes.
#'
#' Mixing is bought with conservation: types that one batch has and another
#' lacks are mixed too.
#'
#' @param batch The categorical column that z must not tell.
#' @param covariates Continuous columns, given to the decoder.
#' @param n_latent Dimensions of z.
#' @param n_hidden Units of each hidden layer.
#' @param n_layers Hidden layers of the encoder, and of the decoder.
#' @param likelihood \code{"nb"}, \code{"zinb"} or \code{"poisson"}.
#' @param dispersion \code{"gene"}, \code{"gene-cell"}, \code{"gene-batch"},
#'   or \code{"gene-"} and the name of another column.
#' @param library The \code{"observed"} total of a cell, \code{"latent"} (see
#'   \code{scvi()}), a \code{"size_factor"} of yours, or \code{"none"}.
#' @param kappa Weight of the opponent, in nats per cell; the strength of
#'   mixing.
#' @param form \code{"flip"}: the encoder gets minus the opponent's
#'   cross-entropy; or \code{"fool"}: it makes all batches but the true one
#'   equally likely.
#' @param opponent Units of the opponent's hidden layers.
#' @param dropout Share of the encoder's hidden units that is left out in each
#'   step of training.
#' @param warm_up Fraction of the run in which kappa and the weight of the
#'   divergence grow from 0.
#' @param encode_covariates Whether the encoder sees batch and covariates too.
#' @param encoder A stack of layers in the place of \code{n_hidden} and
#'   \code{n_layers}; \code{NULL} makes one.
#' @param decoder The same for the decoder.
#' @param learning_rate Of Adam, at the peak of its cycle; up to four times as
#'   much, in proportion, in runs of fewer than 120 epochs. The opponent's is
#'   a constant 0.001.
#' @param epochs Passes over the cells; \code{NULL} is as many as make 3,000
#'   updates, 8 to 400.
#' @param schedule \code{"one-cycle"}; or \code{"scvi-tools"}, which is that
#'   package's for comparisons, and wants a learning_rate of 0.001.
#'
#' @return A recipe, for \code{\link{trainVAE}} or \code{\link{trainGAN}}: a
#'   list of class \code{waddington_recipe} that prints.
#'
#' @references
#' Ganin et al. (2016), JMLR 17, 59; the adversarial training plan of
#' scvi-tools.
#'
#' @seealso \link{recipes} for the others.
#' @examples
#' adversarial_vae()
#' @export
adversarial_vae <- function(batch = "batch", covariates = list(),
        n_latent = 10, n_hidden = 128, n_layers = 1, likelihood = "nb",
        dispersion = "gene", library = "observed", kappa = 10.0,
        form = "flip", opponent = c(32, 32), dropout = 0.1, warm_up = 0.25,
        encode_covariates = FALSE, encoder = NULL, decoder = NULL,
        learning_rate = 0.002, epochs = NULL, schedule = "one-cycle") {
    .recipeCall("adversarial_vae")
}

#' scPoli: batches as points in a space of their own, and types as prototypes
#'
#' As scVI, each batch a learnt point that all layers of encoder and decoder
#' read.
#'
#' Batches that are alike come to lie together, so the points are a map of the
#' samples themselves. With labels there is a second phase, in which cells are
#' drawn to the mean of their type; cells whose label is "" are not.
#'
#' @param batch A categorical column; it may have hundreds of levels.
#' @param labels The column of labels, "" where unknown; \code{NULL} uses
#'   none.
#' @param covariates Continuous columns, given to the layers likewise.
#' @param n_embedding Dimensions of the points that stand for batches.
#' @param n_latent Dimensions of z.
#' @param n_hidden Units of each hidden layer.
#' @param n_layers Hidden layers of the encoder, and of the decoder.
#' @param likelihood \code{"nb"}, \code{"zinb"} or \code{"poisson"}.
#' @param dispersion \code{"gene"}, \code{"gene-cell"}, \code{"gene-batch"},
#'   \code{"gene-label"}, or \code{"gene-"} and the name of another column.
#' @param eta Weight of the distance to the mean of the type.
#' @param pretraining Fraction of the planned run before it counts. However
#'   early that part stops, the rest follows, with a quarter of the learning
#'   rate.
#' @param dropout Share of the encoder's hidden units that is left out in each
#'   step of training.
#' @param warm_up Fraction of the run in which the weight of the divergence
#'   grows from 0 to 1.
#' @param learning_rate Of Adam, at the peak of its cycle; up to four times as
#'   much, in proportion, in runs of fewer than 120 epochs.
#' @param epochs Passes over the cells; \code{NULL} is as many as make 3,000
#'   updates, 8 to 400.
#' @param schedule \code{"one-cycle"}; or \code{"scvi-tools"}, which is that
#'   package's for comparisons, and wants a learning_rate of 0.001.
#'
#' @return A recipe, for \code{\link{trainVAE}} or \code{\link{trainGAN}}: a
#'   list of class \code{waddington_recipe} that prints.
#'
#' @references
#' De Donno et al. (2023), Nature Methods 20, 1683.
#'
#' @seealso \link{recipes} for the others.
#' @examples
#' scpoli()
#' @export
scpoli <- function(batch = "batch", labels = NULL, covariates = list(),
        n_embedding = 10, n_latent = 10, n_hidden = 128, n_layers = 1,
        likelihood = "nb", dispersion = "gene", eta = 1.0,
        pretraining = 0.9, dropout = 0.05, warm_up = 0.25,
        learning_rate = 0.002, epochs = NULL, schedule = "one-cycle") {
    .recipeCall("scpoli")
}

#' AutoZI: which genes have more zeros than a negative binomial makes
#'
#' counts ~ delta NB + (1 - delta) ZINB with a delta for each gene, delta ~
#' Beta(1/2, 1/2).
#'
#' Genes with hardly any counts can't be decided, and stay near the prior.
#' \code{zero_inflation()} tells what was found. The posterior of delta is
#' logistic-normal here, where the paper's is a Beta.
#'
#' @param batch A categorical column whose effect is to stay out of z, or
#'   several; \code{NULL} is none.
#' @param covariates Continuous columns, given to the decoder likewise.
#' @param n_latent Dimensions of z.
#' @param n_hidden Units of each hidden layer.
#' @param n_layers Hidden layers of the encoder, and of the decoder.
#' @param dispersion \code{"gene"}, \code{"gene-cell"}, \code{"gene-batch"},
#'   or \code{"gene-"} and the name of another column.
#' @param library The \code{"observed"} total of a cell, a
#'   \code{"size_factor"} of yours, or \code{"none"}.
#' @param n_cells About how many cells there are: the prior of delta counts
#'   once, not once per cell.
#' @param dropout Share of the encoder's hidden units that is left out in each
#'   step of training.
#' @param warm_up Fraction of the run in which the weight of the divergence
#'   grows from 0 to 1.
#' @param learning_rate Of Adam, at the peak of its cycle; up to four times as
#'   much, in proportion, in runs of fewer than 120 epochs.
#' @param epochs Passes over the cells; \code{NULL} is as many as make 3,000
#'   updates, 8 to 400.
#' @param schedule \code{"one-cycle"}; or \code{"scvi-tools"}, which is that
#'   package's for comparisons, and wants a learning_rate of 0.001.
#'
#' @return A recipe, for \code{\link{trainVAE}} or \code{\link{trainGAN}}: a
#'   list of class \code{waddington_recipe} that prints.
#'
#' @references
#' Clivio et al. (2019), bioRxiv 794875.
#'
#' @seealso \link{recipes} for the others.
#' @examples
#' autozi()
#' @export
autozi <- function(batch = NULL, covariates = list(), n_latent = 10,
        n_hidden = 128, n_layers = 1, dispersion = "gene",
        library = "observed", n_cells = 3000, dropout = 0.1, warm_up = 0.25,
        learning_rate = 0.002, epochs = NULL, schedule = "one-cycle") {
    .recipeCall("autozi")
}

#' SAUCIE: two dimensions to look at, clusters from a layer that is on or off,
#' batches aligned
#'
#' data ~ N(f(z), 1), z a point in the plane; f's last layer is a code of the
#' cell's cluster.
#'
#' \code{latent()} is the embedding, \code{clusters()} the clusters,
#' \code{denoise()} the imputed data, and with a batch \code{denoise(batch =
#' )} the corrected ones. The paper corrects batches and finds clusters with
#' two models, and keeps batches of the decoder; here both are one model, and
#' layers are told the batch, so that a code is read as if every cell were of
#' one batch. Weights are on this package's scale, a sum over genes: the
#' paper's lambda is of a mean, half the number of genes times as much.
#'
#' @param batch A categorical column whose levels are aligned in z;
#'   \code{NULL} aligns nothing.
#' @param n_latent Dimensions of z.
#' @param hidden Units of the encoder's hidden layers; the decoder's are the
#'   same, reversed, so that the code is as wide as the first.
#' @param likelihood \code{"normal"} for log-normalised values; \code{"nb"},
#'   \code{"zinb"} or \code{"poisson"} for raw counts.
#' @param entropy Weight of the entropy of the code; more of it leaves fewer
#'   units, and clusters.
#' @param within Weight of the distance between the data of cells of like
#'   code.
#' @param mmd Weight of the discrepancy between batches, which is summed over
#'   pairs of them. It mixes types that one batch lacks, too; ten times as
#'   much leaves nothing of eight batches.
#' @param learning_rate Of Adam, at the peak of its cycle.
#' @param epochs Passes over the cells; \code{NULL} is as many as make 3,000
#'   updates, 8 to 400.
#'
#' @return A recipe, for \code{\link{trainVAE}} or \code{\link{trainGAN}}: a
#'   list of class \code{waddington_recipe} that prints.
#'
#' @references
#' Amodio et al. (2019), Nature Methods 16, 1139.
#'
#' @seealso \link{recipes} for the others.
#' @examples
#' saucie()
#' @export
saucie <- function(batch = NULL, n_latent = 2, hidden = c(512, 256, 128),
        likelihood = "normal", entropy = 5.0, within = 30.0, mmd = 3.0,
        learning_rate = 0.002, epochs = NULL) {
    .recipeCall("saucie")
}

#' CarDEC: genes of high and of low variance apart, standardised within
#' batches, and centres
#'
#' z-scores within batches ~ N(f(z), 1); cells are drawn to the nearest of
#' some centres in z.
#'
#' For log-normalised values. Genes of high and of low variance have codes of
#' their own; the first half of z is that of the former, and what to embed and
#' cluster. Both decode the genes of low variance. Autoencoders are trained
#' first; then centres, which start as communities of the cells, pull, and
#' \code{clusters()} tells whose pull is strongest. \code{denoise(batch = )}
#' returns log expression of all genes on the scale of one batch.
#'
#' Standardising within batches takes away how batches differ in composition,
#' too. There will be \code{n_clusters} clusters whether there are as many
#' kinds of cells or not. A batch that was not trained on can't be asked
#' about.
#'
#' @param batch The categorical column within whose levels genes are
#'   standardised; \code{NULL} is over all.
#' @param n_clusters Centres.
#' @param n_variable Genes of high variance; half of all genes if there are
#'   fewer than twice as many.
#' @param n_latent Dimensions of each of the two codes; z has twice as many.
#' @param n_hidden Units of the hidden layer of each encoder and decoder.
#' @param clustering Weight of the divergence from sharper assignments. The
#'   paper's 1 is beside a mean over genes: half their number here.
#' @param learning_rate Of Adam, at the peak of its cycle; a quarter of it
#'   once centres pull.
#' @param pretraining Passes over the cells before; \code{NULL} is as many as
#'   make 3,000 updates, 8 to 400.
#' @param epochs Passes over the cells with centres; \code{NULL} is as many as
#'   make 3,000 updates, 8 to 400.
#'
#' @return A recipe, for \code{\link{trainVAE}} or \code{\link{trainGAN}}: a
#'   list of class \code{waddington_recipe} that prints.
#'
#' @references
#' Lakkis et al. (2021), Genome Research 31, 1753; Xie et al. (2016), ICML.
#'
#' @seealso \link{recipes} for the others.
#' @examples
#' cardec()
#' @export
cardec <- function(batch = NULL, n_clusters = 10, n_variable = 2000,
        n_latent = 32, n_hidden = 128, clustering = 100.0,
        learning_rate = 0.002, pretraining = NULL, epochs = NULL) {
    .recipeCall("cardec")
}
