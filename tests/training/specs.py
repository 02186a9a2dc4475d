"""A small run with all that a resume must restore: phases, momentum, a schedule, noise, a search, batch statistics, dropout."""

RUN = """
factorgraph: 1
seed: 3
dims: {side: 5, code: 9}
variables:
  Y: {kind: observed, shape: [side * side]}
  N: {kind: noise, shape: [side * side]}
  Z: {kind: latent, shape: [code]}
functions:
  decoder: {type: linear, bias: false, unit_norm: columns}
  encoder: {type: linear, activation: shrink}
  guess:   {type: network, layers: 12fc-bn-0.3drop-fc}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  prediction:     {type: squared_distance, between: [Z, encoder(Y + 0.1 * N)], weight: 0.5}
  sparsity:       {type: l1, of: Z, weight: 0.3}
  rough:          {type: squared_distance, between: [Z, guess(Y)], weight: 0.1}
inference:
  optimal: {method: argmin, of: Z, start: encoder(Y), steps: 20}
  fast:    {method: amortized, of: Z, by: encoder(Y)}
learning:
  warm:
    loss: energy
    steps: 5
    batch_size: 16
    optimizer: {type: sgd, momentum: 0.9}
    learning_rate: 0.002
    schedule: {type: linear, from: 0.4}
    set: {factors.prediction.weight: 0.05}
  joint: {loss: energy, epochs: 1, batch_size: 16, learning_rate: 0.004, schedule: {type: step, at: [0.5], factor: 0.1}}
data:
  source: natural_patches
  size: side
  count: 100
  test: 20
  prepare: [remove_mean, {whiten: 0.02}, unit_variance]
  bind: {Y: image}
expect:
  low: {claim: "it learns at all", metric: energy(optimal) / start.energy(optimal), at_most: 1.0}
"""
