/* Adversarial training of the content part, as an option (model.adversarial.weight w, 0: off).
 *
 * The content part c_i of the chosen item is a generator's guess of the item's vector; the user's encoder z plays the critic.
 *   generator:   w (-log sigma(z . c_i)) + (1 - w) |c_i - e_i|^2     be taken for an item that was chosen, and stay near the learned part
 *   critic:      w (-log(1 - sigma(z . c_i)))                        z learns to tell guesses from learned items
 * (Chen, Wang, Huang et al., "Generative adversarial framework for cold-start item recommendation", SIGIR 2022; ours weights the
 * critic's term too, so that 0 is nothing.) */
#include "base/special.h"
#include "base/vec.h"
#include "model/model_priv.h"

static float sigmoid(float x)
{
    float minus = x > 0 ? -x : x, e;
    special_exp_all(&minus, &e, 1);
    return x > 0 ? 1 / (1 + e) : e / (1 + e);
}

void adversary_step(struct model *m, uint32_t item, float weight, struct rng *rng)
{
    VEC_SCRATCH float apart[MODEL_MAX_K];
    float w = (float)m->cfg.adversarial, lr = (float)m->cfg.learning_rate;
    int k = m->cfg.k;
    if (!m->content.on || w <= 0 || !content_has(&m->content, item))
        return;
    const float *c = items_c(&m->items, item), *q = items_q(&m->items, item);
    float taken = sigmoid(vec_dot(m->z, c, k));
    for (int f = 0; f < k; f++)
        apart[f] = c[f] - (q[f] - c[f]);
    content_gather(&m->content, item, -weight * w * (1 - taken));
    content_step(&m->content, m->z, vec_dot(m->z, m->z, k), lr, rng);
    if (w < 1) {
        content_gather(&m->content, item, weight * 2 * (1 - w));
        content_step(&m->content, apart, vec_dot(apart, apart, k), lr, rng);
    }
    vec_add(m->gz, weight * w * taken, c, k);
}
