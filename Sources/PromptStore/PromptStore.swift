// PromptStore
