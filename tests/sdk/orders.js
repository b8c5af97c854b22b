// Drives a Voucherify by the official SDK of JavaScript: orders, an import and its async action.
// Its client has no exports (2.9.0 has their class, and does not offer it); the SDK of Python does those.
'use strict'
const assert = require('node:assert/strict')
const { VoucherifyServerSide } = require('@voucherify/sdk')

const { VOUCHERIFY_HOST: apiUrl, VOUCHERIFY_APP_ID: applicationId, VOUCHERIFY_APP_TOKEN: secretKey } = process.env
const client = VoucherifyServerSide({ apiUrl, applicationId, secretKey })

const order = (number) => ({
  source_id: `js-${number}`,
  status: 'PAID',
  items: [{ source_id: 'pen', related_object: 'product', quantity: 3, price: 250, product: { name: 'Pen' } }],
  customer: { source_id: 'ann', name: 'Ann' },
  metadata: { channel: 'web' }
})

async function ended (get, ends) {
  for (;;) {
    const found = await get()
    if (ends.includes(found.status)) return found
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function ordersAreCreatedReadUpdatedAndListed () {
  const created = await client.orders.create(order(0))
  assert.deepEqual([created.object, created.amount, created.customer_id], ['order', 750, created.customer.id])
  assert.deepEqual(await client.orders.get('js-0'), created)
  const changed = await client.orders.update({ id: created.id, status: 'CANCELED' })
  assert.deepEqual([changed.status, changed.metadata], ['CANCELED', { channel: 'web' }])
  const listed = await client.orders.list({ limit: 1, page: 1, order: '-created_at' })
  assert.deepEqual([listed.total, listed.orders[0].id], [1, created.id])
}

async function ordersAreImportedAndTheActionRead () {
  const accepted = await client.orders.import([1, 2, 3].map(order))
  const action = await ended(() => client.asyncActions.get(accepted.async_action_id), ['DONE', 'FAILED'])
  assert.deepEqual([action.status, action.type, action.result.done_count], ['DONE', 'ORDERS.IMPORT', 3])
  const actions = await client.asyncActions.list({ limit: 5 })
  assert.deepEqual(actions.async_actions.map(({ id }) => id), [action.id])
}

async function errorsBecomeThoseOfTheSdk () {
  const missing = await client.orders.get('nope').catch((error) => error)
  assert.deepEqual([missing.code, missing.key, missing.resource_id], [404, 'not_found', 'nope'])
  const invalid = await client.orders.create({ items: [{ initial_quantity: 0 }] }).catch((error) => error)
  assert.match(invalid.details, /initial_quantity cannot be lower than 1/)
  const stranger = VoucherifyServerSide({ apiUrl, applicationId, secretKey: 'wrong' })
  assert.equal((await stranger.orders.list().catch((error) => error)).code, 401)
}

async function main () {
  for (const check of [
    ordersAreCreatedReadUpdatedAndListed,
    ordersAreImportedAndTheActionRead,
    errorsBecomeThoseOfTheSdk
  ]) {
    await check()
    console.log(check.name)
  }
}

main()
