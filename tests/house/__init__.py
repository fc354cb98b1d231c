"""The shape of the code: figures with bars (`measure`), circles of imports (`circles`)."""
