// Answer one line of JSON for each line of JSON: "yes" or "no", or why there is no answer.
import { createInterface } from 'node:readline'
import { runSimulation } from '@cloud-copilot/iam-simulate'

const ALLOW_ALL = { Version: '2012-10-17', Statement: { Effect: 'Allow', Action: '*', Resource: '*' } }
const ANSWERS = {
  Allowed: 'yes', AllowedForAccount: 'yes', ExplicitlyDenied: 'no', DeniedForAccount: 'no', ImplicitlyDenied: 'no'
}

async function answer(pair) {
  const { account, arn, session } = pair.who
  const simulation = {
    request: {
      principal: session || arn,
      action: pair.action,
      resource: { resource: pair.resource, accountId: pair.resource.split(':')[4] },
      contextVariables: pair.context
    },
    identityPolicies: account ? [{ name: 'all', policy: ALLOW_ALL }] : [],
    serviceControlPolicies: [],
    resourceControlPolicies: [],
    resourcePolicy: pair.policy
  }
  const found = await runSimulation(simulation, {})
  if (found.resultType !== 'single') return { error: JSON.stringify(found.errors ?? found.resultType) }
  if (found.result.ignoredContextKeys.length) return { error: `ignored: ${found.result.ignoredContextKeys}` }
  return { answer: ANSWERS[found.result.analysis.resourceAnalysis.result] }
}

for await (const line of createInterface({ input: process.stdin })) {
  let said
  try {
    said = await answer(JSON.parse(line))
  } catch (problem) {
    said = { error: String(problem) }
  }
  process.stdout.write(JSON.stringify(said) + '\n')
}
